"""Finds the programs that runners drive, and asks what they can do: features change from month to month."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.light_imports import find_program
from swarm_worker.runners.programs import ask

if TYPE_CHECKING:
    from swarm_worker.runners.agent import Engine
    from swarm_worker.runners.cli import Cli

AGENT: Final = "amplifier-agent"
CLI: Final = "amplifier"
# A cold start of the program itself, on a busy machine.
ANSWER_S: Final = 60.0
_OTHER: Final = "or choose another --runner"


def agent_path(own: Mapping[str, str], env: Mapping[str, str]) -> str | None:
    """Where `amplifier-agent` is, if anywhere."""
    return find_program(own.get("AMPLIFIER_AGENT_BIN") or AGENT, path=env.get("PATH", ""))


def cli_path(env: Mapping[str, str]) -> str | None:
    """Where `amplifier` is, if anywhere."""
    return find_program(CLI, path=env.get("PATH", ""))


def find_engine(path: str | None, *, env: Mapping[str, str], cwd: Path) -> "Engine":
    """The engine and its features; raises Exit where it can't be driven."""
    from swarm_worker.runners.agent import engine_of  # noqa: PLC0415  # a worker has one runner

    if path is None:
        raise ProgramExit(
            ExitCode.USAGE, f"there is no program {AGENT!r} on PATH", hint=f"install it, {_OTHER}"
        )
    version = ask([path, "version", "--json"], env=env, cwd=cwd, timeout_s=ANSWER_S)
    if version.code != 0:
        raise ProgramExit(
            ExitCode.USAGE, f"{path} does not tell its version: {version.said}", hint=f"update it, {_OTHER}"
        )
    help_text = ask([path, "run", "--help"], env=env, cwd=cwd, timeout_s=ANSWER_S)
    try:
        return engine_of(path, version=version.out, help_text=help_text.out if help_text.code == 0 else "")
    except ValueError as error:
        text = f"{path} can't be driven by this version: {error}"
        raise ProgramExit(ExitCode.USAGE, text, hint=f"update it, {_OTHER}") from error


def find_cli(path: str | None, *, env: Mapping[str, str], cwd: Path) -> "Cli":
    """The program and its features; raises Exit where it can't be driven."""
    from swarm_worker.runners.cli import Cli  # noqa: PLC0415  # a worker has one runner

    if path is None:
        raise ProgramExit(
            ExitCode.USAGE, f"there is no program {CLI!r} on PATH", hint=f"install it, {_OTHER}"
        )
    told = ask([path, "run", "--help"], env=env, cwd=cwd, timeout_s=ANSWER_S)
    if told.code != 0 or "--output-format" not in told.out:
        text = f"{path} can't be driven: `run --help` gave {told.said!r}"
        raise ProgramExit(ExitCode.USAGE, text, hint=f"update it, {_OTHER}")
    return Cli(path, takes_id="--session-id" in told.out)
