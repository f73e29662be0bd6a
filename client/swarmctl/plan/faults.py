"""What is wrong with a task file, and where: one line a fault, all of them gathered before any is shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.text import one_line, printable

# What fits a screen; who has more has made one mistake many times.
SHOWN: Final = 20
# Room for a chain of ten ids; beyond it nobody reads on.
PROBLEM_LIMIT: Final = 1_500
QUOTED_LIMIT: Final = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. The line is 0 if it is not known; `task` is a label such as `task "a"` or empty."""

    line: int
    task: str
    field: str
    problem: str

    def text(self, file: str) -> str:
        """`FILE:LINE: task "ID": FIELD: problem; hint`, without the parts that are not known."""
        place = f"{file}:{self.line}" if self.line else file
        parts = (place, self.task, self.field, self.problem)
        return ": ".join(one_line(part, PROBLEM_LIMIT) for part in parts if part)


class PlanRefused(ProgramExit):
    """The file is refused: its faults, 20 of them shown, and how many are known beside them."""

    def __init__(self, file: str, faults: Sequence[Fault], *, more: int = 0) -> None:
        super().__init__(ExitCode.USAGE, f"{file} is not imported")
        self._lines = list(lines(file, faults, more=more))

    def line(self, program: str) -> str:
        """The faults; each names its file, so none needs the program's name."""
        return "\n".join(self._lines)


def lines(file: str, faults: Sequence[Fault], *, more: int = 0) -> Iterator[str]:
    """The first faults in the order of the file, and how many there are besides."""
    ordered = sorted(dict.fromkeys(faults), key=lambda fault: fault.line)
    for fault in ordered[:SHOWN]:
        yield fault.text(file)
    rest = len(ordered[SHOWN:]) + more
    if rest:
        yield f"and {rest} more"


def quoted(text: str) -> str:
    """A text of the file in a message: harmless, and not too much of it."""
    shown = printable(text[:QUOTED_LIMIT]).replace("\t", "\\t")
    return f'"{shown}…"' if len(text) > QUOTED_LIMIT else f'"{shown}"'
