"""The layout of tables: which columns are shown, how wide they are, and how longer texts are cut.

Invariant: where there is too little room, the columns of a high rank are left out first. The reason of a row gets
the room that is left.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Final

from swarmctl.render.blocks import Cell, Column, Cut, Table

GAP: Final = 2
_DOTS: Final = "…"

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

    Without `room` nothing is cut or left out. A row with a text that goes on below becomes several rows.
    """
    if room is not None:
        used = [i for i in range(len(table.columns)) if any(row[i].text for row in table.rows)]
        if table.terse and table.rows:
            table = _only(table, used)
        table = _only(table, _shown(table.columns, _natural(table), room))
    widths = _natural(table)
    if room is not None:
        widths = _fitted(table.columns, widths, room)
    return [line for row in _with_titles(table) for line in _lines(row, table.columns, widths)]


def shortened(text: str, room: int) -> str:
    """Returns an id of at most `room` cells: of a longer one, its beginning and its end."""
    if width(text) <= room:
        return text
    begin = _head(text, room // 2)
    end = _head(text[::-1], max(0, room - 1 - width(begin)))[::-1]
    return f"{begin}{_DOTS}{end}"


def _with_titles(table: Table) -> list[Row]:
    rows: list[Row] = list(table.rows)
    if any(column.title for column in table.columns):
        rows.insert(0, [Cell(column.title, "bold") for column in table.columns])
    return rows


def _natural(table: Table) -> list[int]:
    rows = _with_titles(table)
    return [max((width(row[i].text) for row in rows), default=0) for i in range(len(table.columns))]


def _only(table: Table, kept: Sequence[int]) -> Table:
    return replace(
        table, columns=[table.columns[i] for i in kept], rows=[[row[i] for i in kept] for row in table.rows]
    )


def _least(column: Column, natural: int) -> int:
    return min(natural, column.least) if column.flexible else natural


def _good(column: Column, natural: int) -> int:
    return min(natural, column.good) if column.flexible else natural


def _shown(columns: Sequence[Column], naturals: Sequence[int], room: int) -> Sequence[int]:
    """Returns the columns that stay: those of rank 0, and others as long as the former are not too narrow."""
    kept = list(range(len(columns)))

    def needed() -> int:
        each = (
            _least(columns[i], naturals[i]) if columns[i].rank else _good(columns[i], naturals[i])
            for i in kept
        )
        return sum(each) + GAP * (len(kept) - 1)

    while needed() > room and any(columns[i].rank for i in kept):
        kept.remove(max(kept, key=lambda i: columns[i].rank))
    return kept


def _fitted(columns: Sequence[Column], naturals: Sequence[int], room: int) -> list[int]:
    """Returns the widths: first what each column needs, then the rest by their shares."""
    widths = [_least(column, natural) for column, natural in zip(columns, naturals, strict=True)]
    spare = room - sum(widths) - GAP * (len(widths) - 1)
    while spare > 0 and (open_ := [i for i, wide in enumerate(widths) if wide < naturals[i]]):
        # Good widths first, the most important columns before the others.
        best = min(
            open_,
            key=lambda i: (widths[i] >= columns[i].good, columns[i].rank, widths[i] / columns[i].good),
        )
        widths[best] += 1
        spare -= 1
    return widths


def _lines(row: Row, columns: Sequence[Column], widths: Sequence[int]) -> Iterator[list[Cell]]:
    cells = [
        [replace(one, text=text) for text in _pieces(one.text, column, wide)]
        for column, one, wide in zip(columns, row, widths, strict=True)
    ]
    for line in zip_longest(*cells, fillvalue=Cell("")):
        yield _padded(line, columns, widths)


def _pieces(text: str, column: Column, wide: int) -> Sequence[str]:
    """Returns what is shown of a text, in one piece unless it goes on below."""
    if width(text) <= wide:
        return [text]
    if column.cut is Cut.MIDDLE:
        return [shortened(text, wide)]
    if column.cut is Cut.WRAP:
        return wrapped(text, wide)
    return [_head(text, wide - 1) + _DOTS]


def wrapped(text: str, wide: int) -> Sequence[str]:
    """Returns the text in lines of at most that width, broken between words where that can be."""
    if text.isascii():
        return textwrap.wrap(text, max(1, wide), break_on_hyphens=False) or [""]
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415  # as in `width`

    return [line.plain.rstrip() for line in Text(text).wrap(Console(), max(2, wide))]


def _head(text: str, room: int) -> str:
    """Returns as much of the text as takes at most `room` cells."""
    text = text[: max(0, room)]
    while width(text) > room:
        text = text[:-1]
    return text


def _padded(row: Row, columns: Sequence[Column], widths: Sequence[int]) -> list[Cell]:
    cells = []
    for column, one, wide in zip(columns, row, widths, strict=True):
        space = " " * (wide - width(one.text))
        cells.append(replace(one, text=space + one.text if column.right else one.text + space))
    # Trailing spaces are removed.
    cells[-1] = replace(cells[-1], text=cells[-1].text.rstrip())
    return cells
