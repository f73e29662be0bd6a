"""The `command` runner: any program, such as another agent or a script, instead of Amplifier."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.light_imports import find_program
from swarm_worker.config import WorkerConfig
from swarm_worker.domain.types import Role
from swarm_worker.runners.base import Runner, SessionPlan
from swarm_worker.runners.executables import start_fault

if TYPE_CHECKING:
    from swarm_worker.runners.reader import OutputReader


class CommandRunner(Runner):
    """A runner that starts one program for builders and one for validators."""

    name = "command"

    def __init__(self, *, builder: Sequence[str], validator: Sequence[str]) -> None:
        self._argv = {Role.BUILDER: tuple(builder), Role.VALIDATOR: tuple(validator)}

    @property
    def needed_paths(self) -> Sequence[Path]:
        """The files that the commands name by absolute paths, such as the script of an interpreter."""
        words = dict.fromkeys(word for argv in self._argv.values() for word in argv)
        return tuple(Path(word) for word in words if Path(word).is_absolute() and Path(word).is_file())

    def argv(self, plan: SessionPlan) -> Sequence[str]:
        return self._argv[plan.role]

    def reader(self, plan: SessionPlan) -> "OutputReader":
        from swarm_worker.runners.command_reader import CommandReader  # noqa: PLC0415  # see Runner.reader

        return CommandReader(plan.role)


def command_runner(config: WorkerConfig, *, project_root: Path) -> CommandRunner:
    """Returns the configured runner.

    Raises:
        ProgramExit: a command is missing, can't be split into words, or can't be started.
    """
    builder = _argv(config.builder_command, "--builder-command", project_root)
    if config.no_validation and not config.validator_command:
        return CommandRunner(builder=builder, validator=())
    validator = _argv(config.validator_command, "--validator-command", project_root)
    return CommandRunner(builder=builder, validator=validator)


def _argv(text: str, flag: str, project_root: Path) -> Sequence[str]:
    hint = "or --no-validation" if flag == "--validator-command" else "see swarm-worker --help"
    try:
        argv = shlex.split(text)
    except ValueError as error:
        raise ProgramExit(ExitCode.USAGE, f"{flag} can't be split into words: {error}") from error
    if not argv:
        raise ProgramExit(ExitCode.USAGE, f"--runner command needs {flag} 'PROGRAM ARGUMENT…'", hint=hint)
    if not _can_start(argv[0], project_root):
        where = "an executable file, seen from the project root" if os.sep in argv[0] else "on PATH"
        raise ProgramExit(
            ExitCode.USAGE, f"{flag}: {argv[0]!r} is not {where}", hint="install it or correct the flag"
        )
    if fault := start_fault(argv[0], cwd=project_root, path=_path()):
        raise ProgramExit(ExitCode.USAGE, f"{flag}: {fault.text}", hint=fault.hint)
    return argv


def _can_start(program: str, project_root: Path) -> bool:
    """Resolves the program as exec will: a name on PATH, a path from the project root."""
    place = str(project_root / program) if os.sep in program else program
    return find_program(place, path=_path()) is not None


def _path() -> str:
    return os.environ.get("PATH", os.defpath)
