"""Faults of a task file with their places; all of them are collected before any is shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.text import one_line, printable

# One screen; a file with more faults repeats one mistake.
SHOWN: Final = 20
# Room for a cycle of ten ids.
PROBLEM_LIMIT: Final = 1_500
QUOTED_LIMIT: Final = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault. The line is 0 if it is not known; `task` is a label such as `task "a"` or empty."""

    line: int
    task: str
    field: str
    problem: str

    def text(self, file: str) -> str:
        """Returns `FILE:LINE: task "ID": FIELD: problem; hint`, without the unknown parts."""
        place = f"{file}:{self.line}" if self.line else file
        parts = (place, self.task, self.field, self.problem)
        return ": ".join(one_line(part, PROBLEM_LIMIT) for part in parts if part)


class PlanRefused(ProgramExit):
    """The refusal of a file with its faults, of which 20 are shown, and the number of the others."""

    def __init__(self, file: str, faults: Sequence[Fault], *, more: int = 0) -> None:
        super().__init__(ExitCode.USAGE, f"{file} is not imported")
        self.faults = faults
        self._lines = list(report_lines(file, faults, more=more))

    def line(self, program: str) -> str:
        """Returns the faults; each names its file, so that none needs the program's name."""
        return "\n".join(self._lines)


def report_lines(file: str, faults: Sequence[Fault], *, more: int = 0) -> Iterator[str]:
    """Yields the first faults in the order of the file, and the number of the others."""
    ordered = sorted(dict.fromkeys(faults), key=lambda fault: fault.line)
    for fault in ordered[:SHOWN]:
        yield fault.text(file)
    rest = len(ordered[SHOWN:]) + more
    if rest:
        yield f"and {rest} more"


def quoted(text: str) -> str:
    """Returns a text of the file for a message: printable, and cut after 60 characters."""
    shown = printable(text[:QUOTED_LIMIT]).replace("\t", "\\t")
    return f'"{shown}…"' if len(text) > QUOTED_LIMIT else f'"{shown}"'
