"""Views of tasks for people: lists and details, put together in SQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import (
    AttemptOutcome,
    FailureClass,
    OutcomeKind,
    SessionRole,
    TaskDefinition,
    TaskKey,
    Usage,
)
from swarmd.store import definition_json
from swarmd.store.transaction import ReadTx, Row


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as a list shows it."""

    key: TaskKey
    task_id: str
    name: str
    status: TaskStatus
    phase: str
    type: str
    priority: int
    attempt: int
    max_retries: int
    worker: str
    builder_session_id: str
    validator_session_id: str
    last_error: str
    failure_class: FailureClass | None
    cause: str
    estimated_hours: float | None
    created_us: int
    started_us: int | None
    completed_us: int | None
    usage: Usage
    # Each with its status, in the order of the definition.
    dependencies: Sequence[tuple[str, TaskStatus]]
    # The reported kill receipt of the latest attempt as JSON; None if no kill ended it.
    kill_receipt: str | None


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as its task's page shows it."""

    session_id: str
    role: SessionRole
    runner: str
    started_us: int
    ended_us: int | None
    exit_code: int | None
    usage: Usage


@dataclass(frozen=True, slots=True)
class LateResultView:
    """An outcome that came too late to count."""

    received_us: int
    kind: OutcomeKind
    failure_class: FailureClass | None
    error: str
    report: str


@dataclass(frozen=True, slots=True)
class AttemptView:
    """An attempt as its task's page shows it."""

    number: int
    worker: str
    outcome: AttemptOutcome | None
    failure_class: FailureClass | None
    error: str
    claimed_us: int
    started_us: int | None
    ended_us: int | None
    report: str | None
    sessions: Sequence[SessionView]
    late_results: Sequence[LateResultView]


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all tasks."""

    counts: Mapping[TaskStatus, int]
    estimated_hours: float
    completed_hours: float
    usage: Usage


def tasks(tx: ReadTx, keys: Sequence[TaskKey]) -> Sequence[TaskView]:
    """Returns the tasks with these keys, in the given order."""
    return [_task(row) for row in tx.all("view_tasks", keys=json.dumps(keys))]


def task(tx: ReadTx, key: TaskKey) -> TaskView:
    """Returns the task with that key."""
    return tasks(tx, [key])[0]


def definition(tx: ReadTx, key: TaskKey) -> TaskDefinition:
    """Returns the definition of the task."""
    return definition_json.decode(tx.value("definition_get", subject=key, key=key))


def attempts(tx: ReadTx, key: TaskKey) -> Sequence[AttemptView]:
    """Returns all attempts of a task, the earliest first."""
    sessions: dict[int, list[SessionView]] = {}
    for row in tx.all("view_sessions", key=key):
        usage = Usage(row[7], row[8], row[9])
        view = SessionView(row[1], SessionRole(row[2]), row[3], row[4], row[5], row[6], usage)
        sessions.setdefault(row[0], []).append(view)
    late: dict[int, list[LateResultView]] = {}
    for row in tx.all("view_late_results", key=key):
        result = LateResultView(row[1], OutcomeKind(row[2]), _failure(row[3]), row[4], row[5])
        late.setdefault(row[0], []).append(result)
    return [
        AttemptView(
            number=row[1],
            worker=row[2],
            outcome=None if row[3] is None else AttemptOutcome(row[3]),
            failure_class=_failure(row[4]),
            error=row[5],
            claimed_us=row[6],
            started_us=row[7],
            ended_us=row[8],
            report=row[9],
            sessions=sessions.get(row[0], ()),
            late_results=late.get(row[0], ()),
        )
        for row in tx.all("view_attempts", key=key)
    ]


def totals(tx: ReadTx) -> Totals:
    """Returns the sums over all tasks."""
    rows = tx.all("swarm_counts")
    usage = tx.one("swarm_usage")
    assert usage is not None
    return Totals(
        counts={TaskStatus(status): count for status, count, _ in rows},
        estimated_hours=sum(hours for _, _, hours in rows),
        completed_hours=sum(hours for status, _, hours in rows if status == TaskStatus.COMPLETED),
        usage=Usage(*usage),
    )


def _failure(name: str | None) -> FailureClass | None:
    return None if name is None else FailureClass(name)


def _task(row: Row) -> TaskView:
    return TaskView(
        key=TaskKey(row[0]),
        task_id=row[1],
        name=row[2],
        status=TaskStatus(row[3]),
        phase=row[4],
        type=row[5],
        priority=row[6],
        attempt=row[7],
        max_retries=row[8],
        worker=row[9],
        builder_session_id=row[10],
        validator_session_id=row[11],
        last_error=row[12],
        failure_class=_failure(row[13]),
        cause=row[14],
        estimated_hours=row[15],
        created_us=row[16],
        started_us=row[17],
        completed_us=row[18],
        usage=Usage(row[19], row[20], row[21]),
        dependencies=[(task_id, TaskStatus(status)) for task_id, status in json.loads(row[22])],
        kill_receipt=row[23],
    )
