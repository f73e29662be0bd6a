"""The parts of an answer in table form: tables, headings and running text, all of it safe to print."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from amplifier_swarm.text import one_line, printable

# Longer than any id, name or error that is readable in a table.
CELL_LIMIT: Final = 500
# Most columns are unreadable if they are narrower.
NARROWEST: Final = 12


@dataclass(frozen=True, slots=True)
class Column:
    """A column. A flexible one is cut to `least` cells where a terminal is too narrow; the others stay whole."""

    title: str
    right: bool = False
    flexible: bool = False
    least: int = NARROWEST


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

FACTS: Final = (Column(""), Column(""))


def cell(value: object, style: str = "") -> Cell:
    """Returns a cell with the value; empty for None."""
    return Cell("" if value is None else one_line(str(value), CELL_LIMIT), style)


def prose(text: str, style: str = "") -> Prose:
    """Returns running text, made safe to print."""
    return Prose(printable(text, newlines=True), style)


def facts(*pairs: tuple[str, Cell]) -> Table:
    """Returns a table of names and values; pairs without a value are left out."""
    return Table(FACTS, [(Cell(name, "dim"), value) for name, value in pairs if value.text])
