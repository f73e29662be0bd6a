"""The parts of an answer in table form: tables, headings and running text, all of it safe to print."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from amplifier_swarm.text import one_line, printable

# Longer than any id, name or error that is readable in a table.
CELL_LIMIT: Final = 500
# Most columns are unreadable if they are narrower.
NARROWEST: Final = 12


class Cut(Enum):
    """The treatment of a text that is wider than its column on a terminal."""

    END = "its end is left out"
    MIDDLE = "its middle is left out: ids differ at their ends"
    WRAP = "it goes on below, in the same column"


@dataclass(frozen=True, slots=True)
class Column:
    """A column, with what it yields where a terminal is too narrow; `render.align` decides.

    A flexible column gets `good` cells before others get more than theirs, and never fewer than `least`. The other
    columns stay whole. A column of rank 0 is always shown; the higher its rank, the sooner a column is left out.
    """

    title: str
    right: bool = False
    flexible: bool = False
    least: int = NARROWEST
    good: int = 30
    rank: int = 0
    cut: Cut = Cut.END


def id_column(title: str, *, rank: int = 0) -> Column:
    """Returns a column of ids or of other names without spaces."""
    return Column(title, flexible=True, good=20, rank=rank, cut=Cut.MIDDLE)


def reason_column(title: str, *, cut: Cut = Cut.END) -> Column:
    """Returns the column of the reasons; it gets the room."""
    return Column(title, flexible=True, least=24, good=44, cut=cut)


@dataclass(frozen=True, slots=True)
class Cell:
    """A value on one line; `style` is a style of rich."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under titles; no titles if all of them are empty. A terse table has no empty columns on a terminal."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    terse: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """A line above related blocks."""

    text: str


@dataclass(frozen=True, slots=True)
class Prose:
    """Text of any length, with its lines kept."""

    text: str
    style: str = ""
    indent: int = 4


Block = Table | Heading | Prose
Blocks = Sequence[Block]

FACTS: Final = (Column(""), Column("", flexible=True, cut=Cut.WRAP))


def cell(value: object, style: str = "") -> Cell:
    """Returns a cell with the value; empty for None."""
    return Cell("" if value is None else one_line(str(value), CELL_LIMIT), style)


def prose(text: str, style: str = "") -> Prose:
    """Returns running text, made safe to print."""
    return Prose(printable(text, newlines=True), style)


def facts(*pairs: tuple[str, Cell]) -> Table:
    """Returns a table of names and values; pairs without a value are left out."""
    return Table(FACTS, [(Cell(name, "dim"), value) for name, value in pairs if value.text])
