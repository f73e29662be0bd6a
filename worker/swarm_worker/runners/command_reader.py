"""The reader for programs of the `command` runner, whose output may be anything."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from amplifier_swarm.text import one_line
from swarm_worker.domain.model import Failure, FailureClass, LogKind, SessionLogLine, Usage
from swarm_worker.domain.types import Role
from swarm_worker.output.agent_events import EventReader
from swarm_worker.output.lines import OutputLine
from swarm_worker.output.verdicts import read_verdict
from swarm_worker.runners.limit_lines import only_follows
from swarm_worker.runners.limit_times import wait_of
from swarm_worker.runners.provider_errors import limit_failure
from swarm_worker.runners.reader import STARTING, WORKING, Report
from swarm_worker.runners.usage_limits import (
    LIMITED_EXIT,
    LINE_CHARS,
    UsageLimit,
    find_limit,
    is_limit_message,
    reported_limit,
)

# A limit is reported in the last lines that say something; stack frames, error bodies and totals can follow them.
LAST_LINES: Final = 3
END_LINES: Final = 60
# Keys of a builder's result and of a validator's verdict.
RESULT_KEYS: Final = ('"status"', '"verdict"')


class CommandReader:
    """A reader that takes stdout as the reply and looks for usage on stderr."""

    def __init__(self, role: Role) -> None:
        self._role = role
        self._events = EventReader()
        # The end of stdout and stderr, in the order of their arrival.
        self._last: deque[str] = deque(maxlen=END_LINES)
        self._reported_limit: UsageLimit | None = None
        self._begun = False

    @property
    def usage(self) -> Usage:
        return self._events.usage

    @property
    def reached_model(self) -> bool:
        return self._events.model_reached

    @property
    def stall_factor(self) -> float:
        return WORKING if self._begun else STARTING

    @property
    def progress_files(self) -> Sequence[Path]:
        return ()

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

    def progress(self, line: OutputLine, file: Path) -> Sequence[SessionLogLine]:
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

    def _limit(self, stdout: str, exit_code: int) -> Failure | None:
        """Returns a failure if the provider's limit ended the session.

        With exit code 0, the limit counts only if the last line that says something is a provider's message, and no
        result was printed: a builder may well write about limits.
        """
        if exit_code == 0 and _has_result(stdout):
            return None
        now = datetime.now(UTC)
        limit = self._reported_limit or find_limit(self._end(stdout, exit_code), now=now)
        if limit is None and exit_code == LIMITED_EXIT:
            text = self._last[-1] if self._last else f"exit code {LIMITED_EXIT}"
            limit = UsageLimit(one_line(text, LINE_CHARS), wait_of(text, now=now))
        return None if limit is None else limit_failure(limit)

    def _end(self, stdout: str, exit_code: int) -> Sequence[str]:
        """Returns the lines that can report the limit that ended the session, in order."""
        if exit_code != 0:
            return _tail(self._last, LAST_LINES)
        lines = [line.strip() for line in stdout.splitlines()[-END_LINES:] if line.strip()]
        tails = (_tail(self._last, 1), _tail(lines, 1))
        return next((tail for tail in tails if tail and is_limit_message(tail[0])), ())


def _has_result(stdout: str) -> bool:
    """Returns whether a line has a key of a result; an agent's own report of a limit can have such a key too."""
    lines = (line for line in stdout.splitlines() if any(key in line for key in RESULT_KEYS))
    return any(not is_limit_message(line) for line in lines)


def _tail(lines: Sequence[str], count: int) -> Sequence[str]:
    """Returns the end of the lines with at most `count` of those that say something themselves."""
    said = 0
    for index in range(len(lines) - 1, -1, -1):
        said += not only_follows(lines[index])
        if said == count:
            return list(lines)[index:]
    return list(lines)
