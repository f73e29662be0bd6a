"""The table of each view: its rows, the key of each, and its layout."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from google.protobuf.message import Message

from amplifier_swarm.v1.event_pb2 import Event
from amplifier_swarm.v1.hold_pb2 import HoldKind
from amplifier_swarm.v1.session_pb2 import SessionRole, Usage
from amplifier_swarm.v1.swarm_pb2 import Worker, WorkerStatus
from amplifier_swarm.v1.task_pb2 import FailureClass, Task, TaskStatus
from swarmctl import text_format
from swarmctl.render.align import aligned
from swarmctl.render.blocks import Cell, Column, Cut, Table, cell, id_column, reason_column
from swarmctl.render.events import event_text
from swarmctl.render.inbox import hold_text
from swarmctl.render.live_board import since_s
from swarmctl.render.tasks import LIST, STYLES, list_row, status_cell
from swarmctl.render.workers import WORKER_STYLES
from swarmctl.tui.snapshot import SwarmSnapshot, View


class FittedRows(NamedTuple):
    """Titles and rows, padded to the widths of their columns."""

    titles: Sequence[Cell]
    cells: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Rows:
    """A table whose rows have keys: a task id, a worker name, or an empty text if no action applies."""

    table: Table
    keys: Sequence[str]

    def fitted(self, room: int) -> FittedRows:
        """Returns the titles and the rows in columns of `room` cells at most."""
        titles, *rows = aligned(self.table, room=room)
        return FittedRows(titles, rows)


RUNNING: Final = (
    id_column("TASK"),
    Column("STATUS"),
    Column("ROLE", rank=2),
    Column("TRY", right=True, rank=4),
    Column("AGE", right=True),
    Column("SPENT", right=True, rank=1),
    id_column("WORKER", rank=3),
    Column("NAME", flexible=True, good=16),
)
ATTENTION: Final = (
    id_column("TASK"),
    Column("PROBLEM", flexible=True, least=8, good=20),
    Column("TRY", right=True, rank=3),
    Column("SINCE", right=True, rank=2),
    Column("NAME", flexible=True, rank=1),
    reason_column("QUESTION OR ERROR"),
)
WORKERS: Final = (
    id_column("WORKER"),
    Column("STATUS"),
    Column("BUSY", right=True),
    Column("HEARD", right=True),
    Column("RUNNER", rank=2),
    Column("HOST", flexible=True, good=16, rank=3, cut=Cut.MIDDLE),
    Column("LABELS", flexible=True, rank=4),
    Column("TASKS", flexible=True, rank=1),
)
EVENTS: Final = (Column("SEQ", right=True), Column("TIME"), Column("EVENT", flexible=True))


def rows_of(view: View, snapshot: SwarmSnapshot, events: Sequence[Event], now: datetime) -> Rows:
    """Returns the table of one view."""
    if view is View.EVENTS:
        # The latest event comes first: the user waits for it.
        return Rows(Table(EVENTS, [_event(event) for event in reversed(events)]), [""] * len(events))
    if view is View.WORKERS:
        return Rows(
            Table(WORKERS, [_worker(w, now) for w in snapshot.workers]), [w.name for w in snapshot.workers]
        )
    task_view = _TASK_VIEWS[view]
    tasks = task_view.tasks(snapshot)
    rows = [task_view.row(task, now) for task in tasks]
    return Rows(Table(task_view.columns, rows), [task.task_id for task in tasks])


def _running(task: Task, now: datetime) -> Sequence[Cell]:
    return (
        cell(task.task_id),
        status_cell(task.status),
        cell(role_of(task)),
        cell(task.attempt or None),
        cell(text_format.span(since_s(task, now))),
        cell(spent(task.usage)),
        cell(task.worker),
        cell(task.name),
    )


def _attention(task: Task, now: datetime) -> Sequence[Cell]:
    if task.HasField("hold"):
        return (
            cell(task.task_id),
            cell(text_format.word(HoldKind, task.hold.kind), STYLES[TaskStatus.TASK_STATUS_HELD]),
            cell(task.attempt or None),
            cell(ago(task.hold, "since", now)),
            cell(task.name),
            cell(hold_text(task.hold)),
        )
    return (
        cell(task.task_id),
        cell(text_format.word(FailureClass, task.failure_class), "red"),
        cell(task.attempt or None),
        cell(ago(task, "completed_at", now)),
        cell(task.name),
        cell(task.last_error),
    )


def _worker(worker: Worker, now: datetime) -> Sequence[Cell]:
    labels = ", ".join(f"{name}={text}" for name, text in sorted(worker.labels.items()))
    return (
        cell(worker.name),
        cell(text_format.word(WorkerStatus, worker.status), WORKER_STYLES.get(worker.status, "")),
        cell(f"{worker.running}/{worker.slots}"),
        cell(ago(worker, "last_seen_at", now)),
        cell(worker.runner),
        cell(worker.host),
        cell(labels),
        cell(", ".join(worker.task_ids)),
    )


def _event(event: Event) -> Sequence[Cell]:
    return cell(event.seq), cell(text_format.clock(event, "happened_at")), cell(event_text(event))


class _TaskView(NamedTuple):
    """A view of tasks: their source, its columns, and the row of one task."""

    tasks: Callable[[SwarmSnapshot], Sequence[Task]]
    columns: Sequence[Column]
    row: Callable[[Task, datetime], Sequence[Cell]]


_TASK_VIEWS: Final[Mapping[View, _TaskView]] = {
    View.RUNNING: _TaskView(lambda snapshot: snapshot.running, RUNNING, _running),
    View.TASKS: _TaskView(lambda snapshot: snapshot.tasks.tasks, LIST, lambda task, _: list_row(task)),
    View.ATTENTION: _TaskView(
        lambda snapshot: [*snapshot.held.tasks, *snapshot.failed.tasks], ATTENTION, _attention
    ),
}


def role_of(task: Task) -> str | None:
    """Returns the role of the latest session of the latest attempt."""
    if task.validator_session_id:
        return text_format.word(SessionRole, SessionRole.SESSION_ROLE_VALIDATOR)
    return (
        text_format.word(SessionRole, SessionRole.SESSION_ROLE_BUILDER) if task.builder_session_id else None
    )


def spent(usage: Usage) -> str:
    """Returns the cost, else the number of tokens."""
    if usage.cost:
        return text_format.dollars(usage.cost)
    tokens = usage.input_tokens + usage.output_tokens
    return f"{tokens:,} tok" if tokens else ""


def ago(message: Message, field: str, now: datetime) -> str:
    """Returns the time since a timestamp field; empty if the field is unset."""
    if not message.HasField(field):
        return ""
    return text_format.span((now - getattr(message, field).ToDatetime(UTC)).total_seconds())


def silent_workers(workers: Iterable[Worker]) -> Sequence[Worker]:
    """Returns the workers that should send heartbeats and do not."""
    return [worker for worker in workers if worker.status == WorkerStatus.WORKER_STATUS_SUSPECT]
