"""The reader for programs of the `command` runner, whose output may be anything."""

from collections.abc import Sequence

from amplifier_swarm.text import one_line
from swarm_worker.domain.model import Failure, FailureClass, LogKind, SessionLogLine, Usage
from swarm_worker.domain.types import Role
from swarm_worker.output.agent_events import EventReader
from swarm_worker.output.lines import OutputLine
from swarm_worker.output.verdicts import read_verdict
from swarm_worker.runners.reader import STARTING, WORKING, Report


class CommandReader:
    """A reader that takes stdout as the reply and looks for usage on stderr."""

    def __init__(self, role: Role) -> None:
        self._role = role
        self._events = EventReader()
        self._last = ""
        self._begun = False

    @property
    def usage(self) -> Usage:
        return self._events.usage

    @property
    def stall_factor(self) -> float:
        return WORKING if self._begun else STARTING

    def stdout(self, line: OutputLine) -> Sequence[SessionLogLine]:
        self._begun = True
        self._last = line.text.strip() or self._last
        return (SessionLogLine(LogKind.OUTPUT, line.text),)

    def stderr(self, line: OutputLine) -> Sequence[SessionLogLine]:
        self._begun = True
        entries = self._events.read(line)
        for entry in entries:
            self._last = entry.text.strip() or self._last
        return entries

    def progress(self, line: OutputLine) -> Sequence[SessionLogLine]:
        return ()

    def finish(self) -> Sequence[SessionLogLine]:
        return self._events.flush()

    def report(self, stdout: str, *, exit_code: int) -> Report:
        """Reports a failure unless the program exited with 0; a validator's FAIL counts with any exit code."""
        verdict = read_verdict(stdout).verdict if self._role is Role.VALIDATOR else None
        rejected = verdict is not None and not verdict.passed
        if exit_code == 0 or rejected:
            return Report(stdout)
        last_words = f": {one_line(self._last, 500)}" if self._last else ""
        error = f"the {self._role}'s command exited with {exit_code}{last_words}"
        return Report(stdout, Failure(FailureClass.AGENT_ERROR, error))
