"""The `command` runner: any program, such as another agent or a script, in the place of Amplifier."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from amplifier_swarm.exits import Exit, Exits
from amplifier_swarm.text import one_line
from swarm_worker.config import Config
from swarm_worker.events import EventReader
from swarm_worker.lines import Line
from swarm_worker.model import Entry, Failure, FailureClass, LogKind, Role, Usage
from swarm_worker.programs import find_program
from swarm_worker.replies import read_verdict
from swarm_worker.runners.base import STARTING, WORKING, Reader, Report, Runner, SessionPlan


class CommandRunner(Runner):
    """Starts one program for builders and one for validators."""

    name = "command"

    def __init__(self, *, builder: Sequence[str], validator: Sequence[str]) -> None:
        self._argv = {Role.BUILDER: tuple(builder), Role.VALIDATOR: tuple(validator)}

    def argv(self, plan: SessionPlan) -> Sequence[str]:
        return self._argv[plan.role]

    def reader(self, plan: SessionPlan) -> Reader:
        return CommandReader(plan.role)


class CommandReader:
    """Takes stdout as it is and looks for usage on stderr."""

    def __init__(self, role: Role) -> None:
        self._role = role
        self._events = EventReader()
        self._last = ""
        self._begun = False

    @property
    def usage(self) -> Usage:
        return self._events.usage

    @property
    def patience(self) -> float:
        return WORKING if self._begun else STARTING

    def stdout(self, line: Line) -> Sequence[Entry]:
        self._begun = True
        self._last = line.text.strip() or self._last
        return (Entry(LogKind.OUTPUT, line.text),)

    def stderr(self, line: Line) -> Sequence[Entry]:
        self._begun = True
        entries = self._events.read(line)
        for entry in entries:
            self._last = entry.text.strip() or self._last
        return entries

    def fed(self, line: Line) -> Sequence[Entry]:
        return ()

    def end(self) -> Sequence[Entry]:
        return self._events.end()

    def report(self, stdout: str, *, exit_code: int) -> Report:
        """Exit 0 is what makes a builder's work done; a validator's rejection counts with any code."""
        rejected = self._role is Role.VALIDATOR and (verdict := read_verdict(stdout)) and not verdict.passed
        if exit_code == 0 or rejected:
            return Report(stdout)
        said = f": {one_line(self._last, 500)}" if self._last else ""
        error = f"the {self._role}'s command exited with {exit_code}{said}"
        return Report(stdout, Failure(FailureClass.AGENT_ERROR, error))


def command_runner(config: Config, *, project_root: Path) -> CommandRunner:
    """The runner as configured; raises Exit where it could not start a session."""
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
        raise Exit(Exits.USAGE, f"{flag} can't be split into words: {error}") from error
    if not argv:
        raise Exit(Exits.USAGE, f"--runner command needs {flag} 'PROGRAM ARGUMENT…'", hint=hint)
    if not _can_start(argv[0], project_root):
        where = ", seen from the project root" if os.sep in argv[0] else " on PATH"
        raise Exit(
            Exits.USAGE,
            f"{flag}: there is no program {argv[0]!r}{where}",
            hint="install it or correct the flag",
        )
    return argv


def _can_start(program: str, project_root: Path) -> bool:
    """Looks as the session's exec will: a name on PATH, a path from the project root."""
    place = str(project_root / program) if os.sep in program else program
    return find_program(place, path=os.environ.get("PATH", os.defpath)) is not None
