"""The widgets that the screens share: lines of cells, and a table that keeps its cursor."""

from collections.abc import Sequence

from rich.text import Text
from textual.coordinate import Coordinate
from textual.widgets import DataTable, Static

from swarmctl.render.align import width
from swarmctl.render.blocks import Cell
from swarmctl.tui.tables import Rows


def rich_text(line: Sequence[Cell]) -> Text:
    """Returns cells side by side as text: none of it is markup."""
    return Text.assemble(*((one.text, one.style) for one in line))


class TextLines(Static):
    """A few lines, each cut at the edge; hidden if there are none."""

    DEFAULT_CSS = """
    TextLines { height: auto; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def show(self, lines: Sequence[Sequence[Cell]]) -> None:
        """Replaces the lines."""
        self.display = bool(lines)
        self.update(Text("\n").join(rich_text(line) for line in lines))


class Grid(DataTable[Text]):
    """A table that is replaced repeatedly while the cursor stays on its row."""

    # The width of the scroll bar.
    _SCROLLBAR = 2

    def __init__(self) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False)
        self._titles: Sequence[Cell] = ()
        self._widths: Sequence[int] = ()
        self._keys: Sequence[str] = ()
        self._rows: Sequence[Sequence[Cell]] = ()
        self._subject: object = None

    @property
    def selected(self) -> str:
        """The key of the row under the cursor; empty if there is none."""
        return self._keys[self.cursor_row] if 0 <= self.cursor_row < len(self._keys) else ""

    def show(self, rows: Rows, *, room: int, subject: object) -> None:
        """Replaces the changed cells; for a new subject, the cursor goes to the top."""
        titles, cells = rows.fitted(max(20, room - self._SCROLLBAR))
        widths = [max(width(row[column].text) for row in (titles, *cells)) for column in range(len(titles))]
        if (titles, widths, rows.keys) == (self._titles, self._widths, self._keys):
            self._change(cells)
        else:
            self._build(titles, widths, rows.keys, cells)
        if subject != self._subject:
            self._subject = subject
            self.move_cursor(row=0, animate=False)
        self._titles, self._widths, self._keys, self._rows = titles, widths, rows.keys, cells

    def _change(self, cells: Sequence[Sequence[Cell]]) -> None:
        for number, (row, before) in enumerate(zip(cells, self._rows, strict=True)):
            for column, (one, was) in enumerate(zip(row, before, strict=True)):
                if one != was:
                    self.update_cell_at(Coordinate(number, column), _cell_text(one))

    def _build(
        self,
        titles: Sequence[Cell],
        widths: Sequence[int],
        keys: Sequence[str],
        cells: Sequence[Sequence[Cell]],
    ) -> None:
        place, selected = self.cursor_row, self.selected
        offset = self.scroll_offset
        self.clear(columns=True)
        for title, wide in zip(titles, widths, strict=True):
            self.add_column(_cell_text(title), width=wide)
        self.add_rows([_cell_text(one) for one in row] for row in cells)
        if selected and selected in keys:
            place = keys.index(selected)
        self.move_cursor(row=min(place, len(keys) - 1), animate=False, scroll=False)
        self.scroll_to(y=offset.y, animate=False, immediate=True)


def _cell_text(one: Cell) -> Text:
    return Text(one.text, style=one.style, no_wrap=True)
