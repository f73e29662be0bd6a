"""The programs that runners start: where they are and which options they have, which changes between releases."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from amplifier_swarm.amplifier import AGENT, CLI
from amplifier_swarm.exits import ExitCode, ProgramExit
from swarm_worker.runners.programs import run_program

if TYPE_CHECKING:
    from swarm_worker.runners.agent import Engine
    from swarm_worker.runners.cli import Cli

# The time for a cold start of the program on a busy machine.
ANSWER_S: Final = 60.0
_OTHER: Final = "or choose another --runner"


def find_engine(path: str | None, *, env: Mapping[str, str], cwd: Path) -> "Engine":
    """Asks `amplifier-agent` for its version and options.

    Raises:
        ProgramExit: the program is missing, does not answer, or lacks a required option.
    """
    from swarm_worker.runners.agent import parse_engine  # noqa: PLC0415  # a worker has one runner

    if path is None:
        raise ProgramExit(ExitCode.USAGE, f"{AGENT} is not on PATH", hint=f"install it, {_OTHER}")
    version = run_program([path, "version", "--json"], env=env, cwd=cwd, timeout_s=ANSWER_S)
    if version.code != 0:
        raise ProgramExit(
            ExitCode.USAGE,
            f"{path} version --json fails: {version.last_line}",
            hint=f"update it, {_OTHER}",
        )
    help_text = run_program([path, "run", "--help"], env=env, cwd=cwd, timeout_s=ANSWER_S)
    try:
        return parse_engine(path, version=version.out, help_text=help_text.out if help_text.code == 0 else "")
    except ValueError as error:
        text = f"{path} does not work with this version of swarm-worker: {error}"
        raise ProgramExit(ExitCode.USAGE, text, hint=f"update it, {_OTHER}") from error


def find_cli(path: str | None, *, env: Mapping[str, str], cwd: Path) -> "Cli":
    """Asks `amplifier` for its options.

    Raises:
        ProgramExit: the program is missing, does not answer, or lacks a required option.
    """
    from swarm_worker.runners.cli import Cli  # noqa: PLC0415  # a worker has one runner

    if path is None:
        raise ProgramExit(ExitCode.USAGE, f"{CLI} is not on PATH", hint=f"install it, {_OTHER}")
    answer = run_program([path, "run", "--help"], env=env, cwd=cwd, timeout_s=ANSWER_S)
    if answer.code != 0 or "--output-format" not in answer.out:
        text = f"{path} run --help does not list --output-format: {answer.last_line!r}"
        raise ProgramExit(ExitCode.USAGE, text, hint=f"update it, {_OTHER}")
    return Cli(path, takes_id="--session-id" in answer.out)
