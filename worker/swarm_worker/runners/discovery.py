"""The programs that runners start: where they are and which options they have, which changes between releases."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amplifier_swarm.amplifier import AGENT, CLI, INSTALL_LIBRARY, LibraryPython
from amplifier_swarm.exits import ExitCode, ProgramExit
from swarm_worker.runners.programs import run_program

if TYPE_CHECKING:
    from swarm_worker.runners.agent import Engine
    from swarm_worker.runners.cli import Cli
    from swarm_worker.runners.library import Library

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
        text = f"{AGENT} is not on PATH, and no Python with its library is known"
        raise ProgramExit(ExitCode.USAGE, text, hint=f"{INSTALL_LIBRARY}, {_OTHER}")
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


def find_library(python: LibraryPython, *, env: Mapping[str, str], cwd: Path) -> "Library":
    """Asks that Python for the version and the options of its library.

    Raises:
        ProgramExit: it is no Python, has no library, or the library lacks what a worker needs.
    """
    from swarm_worker.runners.library import PROGRAM, read_library  # noqa: PLC0415  # a worker has one runner

    argv = (python.path, str(PROGRAM), "about")
    try:
        return read_library(python.path, ask_library(argv, env=env, cwd=cwd))
    except ValueError as error:
        text = f"the Python {python.path} can't run {AGENT}: {error}"
        raise ProgramExit(ExitCode.USAGE, text, hint=f"{INSTALL_LIBRARY}, {_OTHER}") from error


def ask_library(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Mapping[str, Any]:
    """Returns the answer of our program under the library's Python.

    Raises:
        ValueError: there is no answer, with the last words of the Python.
    """
    answer = run_program(argv, env=env, cwd=cwd, timeout_s=ANSWER_S)
    try:
        found = json.loads(answer.out.strip().rpartition("\n")[2])
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"it gave no answer: {answer.last_line}")  # noqa: TRY004  # one error for any wrong answer
    return found
