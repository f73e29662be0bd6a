"""The interface of a reader, which parses one session's output."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from swarm_worker.domain.model import Failure, SessionLogLine, Usage
from swarm_worker.output.lines import OutputLine

# Factors of the stall limit. WORKING: the session reports its progress.
WORKING: Final = 1.0
# The session reports nothing before the model's first answer, which can take long.
STARTING: Final = 3.0
# The session reports nothing before its end.
SILENT_UNTIL_END: Final = math.inf


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a session that exited by itself."""

    reply: str
    failure: Failure | None = None


class OutputReader(Protocol):
    """An incremental parser of one session's output; its methods return the lines to log."""

    @property
    def usage(self) -> Usage:
        """Returns the tokens and the cost so far."""

    @property
    def reached_model(self) -> bool:
        """Returns whether the output shows that a model was reached: usage, a reply, or a call of a tool."""

    @property
    def stall_factor(self) -> float:
        """Returns the factor of the stall limit that applies now: WORKING, STARTING or SILENT_UNTIL_END."""

    @property
    def progress_files(self) -> Sequence[Path]:
        """Returns the progress files of the session's children that the output has named so far."""

    def stdout(self, line: OutputLine) -> Sequence[SessionLogLine]:
        """Reads a line of standard output."""

    def stderr(self, line: OutputLine) -> Sequence[SessionLogLine]:
        """Reads a line of standard error."""

    def progress(self, line: OutputLine, file: Path) -> Sequence[SessionLogLine]:
        """Reads a line of one of the session's progress files."""

    def finish(self) -> Sequence[SessionLogLine]:
        """Returns the lines that are left to log when the output has ended."""

    def report(self, stdout: str, *, exit_code: int) -> Report:
        """Judges the session by the end of its standard output and by its exit code."""
