"""The reader for programs of the `command` runner, whose output may be anything."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from amplifier_swarm.text import one_line
from swarm_worker.domain.model import Failure, FailureClass, LogKind, SessionLogLine, Usage
from swarm_worker.domain.types import Role
from swarm_worker.output.agent_events import EventReader
from swarm_worker.output.lines import OutputLine
from swarm_worker.output.verdicts import read_verdict
from swarm_worker.runners.provider_errors import limit_failure
from swarm_worker.runners.reader import STARTING, WORKING, Report
from swarm_worker.runners.usage_limits import (
    LIMITED_EXIT,
    LINE_CHARS,
    UsageLimit,
    find_limit,
    reported_limit,
    wait_of,
)

# A limit is reported in the last lines of the output.
LAST_LINES: Final = 3
# Keys of a builder's result and of a validator's verdict.
RESULT_KEYS: Final = ('"status"', '"verdict"')


class CommandReader:
    """A reader that takes stdout as the reply and looks for usage on stderr."""

    def __init__(self, role: Role) -> None:
        self._role = role
        self._events = EventReader()
        # The end of stdout and stderr, in the order of their arrival.
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._lines = 0
        self._reported_limit: UsageLimit | None = None
        self._begun = False

    @property
    def usage(self) -> Usage:
        return self._events.usage

    @property
    def stall_factor(self) -> float:
        return WORKING if self._begun else STARTING

    def stdout(self, line: OutputLine) -> Sequence[SessionLogLine]:
        self._begun = True
        self._note(line.text)
        return (SessionLogLine(LogKind.OUTPUT, line.text),)

    def stderr(self, line: OutputLine) -> Sequence[SessionLogLine]:
        self._begun = True
        self._reported_limit = reported_limit(line.text) or self._reported_limit
        entries = self._events.read(line)
        for entry in entries:
            self._note(entry.text)
        return entries

    def progress(self, line: OutputLine) -> Sequence[SessionLogLine]:
        return ()

    def finish(self) -> Sequence[SessionLogLine]:
        return self._events.flush()

    def report(self, stdout: str, *, exit_code: int) -> Report:
        """Reports a failure unless the program exited with 0; a validator's FAIL counts with any exit code.

        A provider's usage limit is a failure with any exit code: agents print it and exit with 0 or 1.
        """
        verdict = read_verdict(stdout).verdict if self._role is Role.VALIDATOR else None
        if verdict is not None and not verdict.passed:
            return Report(stdout)
        if limit := self._limit(stdout, exit_code):
            return Report(stdout, limit)
        if exit_code == 0:
            return Report(stdout)
        last_words = f": {one_line(self._last[-1], 500)}" if self._last else ""
        error = f"the {self._role}'s command exited with {exit_code}{last_words}"
        return Report(stdout, Failure(FailureClass.AGENT_ERROR, error))

    def _note(self, text: str) -> None:
        if text.strip():
            self._last.append(text.strip())
            self._lines += 1

    def _limit(self, stdout: str, exit_code: int) -> Failure | None:
        """Returns a failure if the provider's limit ended the session.

        With exit code 0, the limit counts only if it is nearly all of the output and no result was printed: a builder
        may well write about limits.
        """
        if exit_code == 0 and (self._lines > LAST_LINES or any(key in stdout for key in RESULT_KEYS)):
            return None
        now = datetime.now(UTC)
        limit = self._reported_limit or find_limit(self._last, now=now)
        if limit is None and exit_code == LIMITED_EXIT:
            text = self._last[-1] if self._last else f"exit code {LIMITED_EXIT}"
            limit = UsageLimit(one_line(text, LINE_CHARS), wait_of(text, now=now))
        return None if limit is None else limit_failure(limit)
