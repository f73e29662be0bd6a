"""The first screen: the summary above, one table below, and workers and events beside it if there is room."""

import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Input, Static

from amplifier_swarm.v1.event_pb2 import Event
from amplifier_swarm.v1.task_pb2 import TaskStatus
from swarmctl.render.blocks import Block, Column, Heading, Table, cell
from swarmctl.render.events import event_text
from swarmctl.render.terminal import group
from swarmctl.tui.actions import TuiActions
from swarmctl.tui.snapshot import Query, SwarmSnapshot, View
from swarmctl.tui.summary import attention_lines, summary_lines, tab_line
from swarmctl.tui.tables import rows_of
from swarmctl.tui.widgets import Grid, TextLines

EVENTS_KEPT: Final = 500
# From this width on, workers and events are shown beside the table.
WIDE: Final = 160
_SIDE_ROOM: Final = 60
# The number of columns of the workers' table that fit beside.
_SIDE_COLUMNS: Final = 5


class OverviewScreen(Screen[None]):
    """A screen that draws snapshots, and asks for the list that it shows."""

    DEFAULT_CSS = """
    #head, #tabs { padding: 0 1; }
    #needs { padding: 0 1; background: $error 15%; }
    #tabs { margin-top: 1; }
    #search { display: none; border: none; height: 1; background: $boost; }
    #search.-open { display: block; }
    #overview Grid { height: 1fr; }
    #side { display: none; width: 64; border-left: solid $primary; padding: 0 1; }
    OverviewScreen.-wide #side { display: block; }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012  # as Screen declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        ("enter", "open", "Open"),
        ("slash", "search", "Search"),
        ("f", "filter", "Filter"),
        ("k", "kill", "Kill"),
        ("r", "retry", "Retry"),
        ("d", "drain", "Drain"),
        Binding("a", "settle", "Answer", show=False),
        Binding("D", "drain_all", "Drain all", show=False),
        Binding("escape", "leave_search", show=False),
        *(Binding(str(number), f"view('{view.name}')", show=False) for number, view in enumerate(View, 1)),
    ]

    def __init__(
        self,
        snapshot: SwarmSnapshot,
        actions: TuiActions,
        *,
        server: str,
        set_query: Callable[[Query], None],
        open_: Callable[[str], None],
    ) -> None:
        super().__init__(id="overview")
        self._snapshot = snapshot
        self._actions = actions
        self._server = server
        self._request_query = set_query
        self._open = open_
        self._view = View.RUNNING
        self._query = snapshot.query
        self._latest: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._outage = ""
        # Data that arrives before the widgets exist is drawn when they do.
        self._ready = False

    def compose(self) -> ComposeResult:
        yield TextLines(id="head")
        yield TextLines(id="needs")
        yield TextLines(id="tabs")
        yield Input(id="search", placeholder="part of an id or a name; Enter keeps it, Esc ends the search")
        with Horizontal():
            yield Grid()
            with Vertical(id="side"):
                yield Static(id="beside")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self._ready = True
        self.query_one(Grid).focus()
        # Ages advance between two snapshots.
        self.set_interval(1.0, self.draw)
        self.call_after_refresh(self.draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self.draw)

    def show_snapshot(self, snapshot: SwarmSnapshot) -> None:
        """Shows a newer snapshot."""
        self._snapshot, self._outage = snapshot, ""
        self.draw()

    def add_events(self, events: Sequence[Event]) -> None:
        """Adds newer events."""
        self._latest.extend(events)
        self.draw()

    def show_outage(self, outage: str) -> None:
        """Shows that the server does not answer, and why."""
        self._outage = outage
        self.draw()

    def draw(self) -> None:
        """Draws everything as of now."""
        if self._ready and self.is_attached:
            # At the end of the program, its widgets disappear one by one.
            with contextlib.suppress(NoMatches):
                self._draw()

    def _draw(self) -> None:
        now, snapshot = datetime.now(UTC), self._snapshot
        outage = (
            [[cell(f"{self._outage}; below is the last that was known", "bold red")]] if self._outage else []
        )
        self.query_one("#head", TextLines).show(summary_lines(snapshot, self._server))
        self.query_one("#needs", TextLines).show([*outage, *attention_lines(snapshot, now)])
        self.query_one("#tabs", TextLines).show([tab_line(snapshot, self._view)])
        grid = self.query_one(Grid)
        rows = rows_of(self._view, snapshot, self._latest, now)
        grid.show(rows, room=grid.size.width, subject=(self._view, snapshot.query))
        if self.size.width >= WIDE:
            self.query_one("#beside", Static).update(group(self._beside(now), room=_SIDE_ROOM))

    def _beside(self, now: datetime) -> Sequence[Block]:
        workers = rows_of(View.WORKERS, self._snapshot, (), now).table
        shown = [row[:_SIDE_COLUMNS] for row in workers.rows]
        latest = [[cell(event_text(event), "dim")] for event in reversed(self._latest)]
        room = max(1, self.size.height - len(shown) - 12)
        return [
            Heading("Workers"),
            Table(workers.columns[:_SIDE_COLUMNS], shown),
            Heading("Events"),
            Table((Column("", flexible=True),), latest[:room]),
        ]

    # ── keys ────────────────────────────────────────────────────────────────────────────────────

    def action_view(self, name: str) -> None:
        """Switches to another table."""
        self._view = View[name]
        self.query_one(Grid).focus()
        self.draw()

    def action_search(self) -> None:
        """Opens the search of all tasks."""
        self.action_view(View.TASKS.name)
        search = self.query_one("#search", Input)
        search.add_class("-open")
        search.focus()

    def action_leave_search(self) -> None:
        """Ends the search and the filter."""
        self.query_one("#search", Input).value = ""
        self._close_search()
        self._set_query(Query())

    def on_input_changed(self, event: Input.Changed) -> None:
        """Searches while the user types."""
        self._set_query(Query(event.value.strip(), self._query.status))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Returns to the table of the results."""
        self._close_search()

    def action_filter(self) -> None:
        """Filters by the next status that any task has; after the last, shows all."""
        self.action_view(View.TASKS.name)
        present = sorted(count.status for count in self._snapshot.swarm.counts if count.count)
        after = [status for status in present if status > self._query.status]
        self._set_query(Query(self._query.search, after[0] if after else TaskStatus.TASK_STATUS_UNSPECIFIED))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Opens the selected row."""
        self.action_open()

    def action_open(self) -> None:
        """Shows the task under the cursor."""
        if task_id := self._selected_task():
            self._open(task_id)

    def action_kill(self) -> None:
        """Kills the task under the cursor."""
        if task_id := self._selected_task():
            self._actions.kill(task_id)

    def action_retry(self) -> None:
        """Retries the task under the cursor."""
        if task_id := self._selected_task():
            self._actions.retry(task_id)

    def action_settle(self) -> None:
        """Answers the held task under the cursor, or lets it start."""
        selected, snapshot = self._selected_task(), self._snapshot
        known = {task.task_id: task for task in (*snapshot.tasks.tasks, *snapshot.held.tasks)}
        if (task := known.get(selected)) is not None and task.HasField("hold"):
            self._actions.settle(selected, task.hold)
        else:
            self.notify("3 lists the held tasks: a answers the one under the cursor", markup=False)

    def action_drain(self) -> None:
        """Drains the worker under the cursor."""
        worker = self.query_one(Grid).selected if self._view is View.WORKERS else ""
        if worker:
            self._actions.drain(worker)
        else:
            self.notify("4 lists the workers: d there drains the one under the cursor, D all", markup=False)

    def action_drain_all(self) -> None:
        """Drains every worker."""
        self._actions.drain("")

    def _selected_task(self) -> str:
        if self._view in (View.WORKERS, View.EVENTS):
            return ""
        return self.query_one(Grid).selected

    def _set_query(self, query: Query) -> None:
        if query != self._query:
            self._query = query
            self._request_query(query)

    def _close_search(self) -> None:
        self.query_one("#search", Input).remove_class("-open")
        self.query_one(Grid).focus()
