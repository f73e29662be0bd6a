"""The installed programs of Amplifier, which `--runner auto` chooses from.

Invariant: a rehearsal is never the fallback for a missing Amplifier.
"""

from collections.abc import Mapping
from typing import Final

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.light_imports import find_program

AGENT: Final = "amplifier-agent"
CLI: Final = "amplifier"


def agent_path(own: Mapping[str, str], env: Mapping[str, str]) -> str | None:
    """Returns the path of `amplifier-agent`, or None; AMPLIFIER_AGENT_BIN in `own` comes before PATH in `env`."""
    return find_program(own.get("AMPLIFIER_AGENT_BIN") or AGENT, path=env.get("PATH", ""))


def cli_path(env: Mapping[str, str]) -> str | None:
    """Returns the path of `amplifier`, or None."""
    return find_program(CLI, path=env.get("PATH", ""))


def no_amplifier() -> ProgramExit:
    """Returns the exit of a program that finds no Amplifier and was given no other runner."""
    return ProgramExit(
        ExitCode.USAGE,
        f"neither {AGENT} nor {CLI} is on PATH",
        hint="install Amplifier, or pass --runner command (any agent) or --runner embedded for a rehearsal",
    )
