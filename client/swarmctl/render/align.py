"""Alignment of tables, and cutting of flexible columns where there is too little room.

Invariant: an id is never cut; nobody could copy a cut id into the next command.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from swarmctl.render.blocks import Cell, Column, Table

GAP: Final = 2

Row = Sequence[Cell]


def width(text: str) -> int:
    """Returns the number of cells that the text takes on a terminal."""
    if text.isascii():
        return len(text)
    # Imported here: rich is slow to load, and most tables are plain ASCII.
    from rich.cells import cell_len  # noqa: PLC0415

    return cell_len(text)


def aligned(table: Table, *, room: int | None) -> list[list[Cell]]:
    """Returns the rows, titles first if there are any, padded to equal widths of `room` cells at most.

    Without `room` nothing is cut or left out.
    """
    if table.terse and table.rows and room is not None:
        table = _without_empty_columns(table)
    rows: list[Row] = list(table.rows)
    if any(column.title for column in table.columns):
        rows.insert(0, [Cell(column.title, "bold") for column in table.columns])
    widths = [max((width(row[i].text) for row in rows), default=0) for i in range(len(table.columns))]
    if room is not None:
        widths = _narrowed(widths, table.columns, room)
    return [_row(row, table.columns, widths) for row in rows]


def _without_empty_columns(table: Table) -> Table:
    used = [i for i in range(len(table.columns)) if any(row[i].text for row in table.rows)]
    return Table([table.columns[i] for i in used], [[row[i] for i in used] for row in table.rows])


def _narrowed(widths: list[int], columns: Sequence[Column], room: int) -> list[int]:
    widths = list(widths)
    excess = sum(widths) + GAP * (len(widths) - 1) - room
    for i in sorted(range(len(widths)), key=lambda i: -widths[i]):
        if excess > 0 and columns[i].flexible:
            given = min(excess, max(0, widths[i] - columns[i].least))
            widths[i] -= given
            excess -= given
    return widths


def _row(row: Row, columns: Sequence[Column], widths: Sequence[int]) -> list[Cell]:
    cells = []
    for column, one, wide in zip(columns, row, widths, strict=True):
        text = _cut(one.text, wide)
        space = " " * (wide - width(text))
        cells.append(replace(one, text=space + text if column.right else text + space))
    # Trailing spaces are removed.
    cells[-1] = replace(cells[-1], text=cells[-1].text.rstrip())
    return cells


def _cut(text: str, wide: int) -> str:
    if width(text) <= wide:
        return text
    while text and width(text) >= wide:
        text = text[: min(len(text) - 1, wide)]
    return text + "…"
