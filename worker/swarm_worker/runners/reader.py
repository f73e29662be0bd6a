"""The interface of a reader, which makes sense of one session's output; with the first session it is loaded."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from swarm_worker.domain.model import Failure, SessionLogLine, Usage
from swarm_worker.output.lines import OutputLine

# It works, and would be heard of.
WORKING: Final = 1.0
# Nothing is heard before a model's first answer, which can take long.
STARTING: Final = 3.0
# It has no way to be heard of before its end.
MUTE: Final = math.inf


@dataclass(frozen=True, slots=True)
class Report:
    """What a session that ended by itself came to."""

    reply: str
    failure: Failure | None = None


class OutputReader(Protocol):
    """Reads the output of one session as it comes."""

    @property
    def usage(self) -> Usage:
        """What it has used so far."""

    @property
    def patience(self) -> float:
        """How many times the stall limit it may be silent for now; see the constants."""

    def stdout(self, line: OutputLine) -> Sequence[SessionLogLine]:
        """Takes in a line of standard output."""

    def stderr(self, line: OutputLine) -> Sequence[SessionLogLine]:
        """Takes in a line of standard error."""

    def fed(self, line: OutputLine) -> Sequence[SessionLogLine]:
        """Takes in a line of the file that the session reports its progress in."""

    def end(self) -> Sequence[SessionLogLine]:
        """What is left to log when nothing more comes."""

    def report(self, stdout: str, *, exit_code: int) -> Report:
        """Judges the session by the end of its output and by how it exited."""
