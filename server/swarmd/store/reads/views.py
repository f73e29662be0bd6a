"""Views of tasks for people: lists and details, put together in SQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from swarmd.domain import placement
from swarmd.domain.budget import Caps
from swarmd.domain.definition import TaskDefinition
from swarmd.domain.holds import Hold
from swarmd.domain.landing import JUDGING, StartPoint
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import AttemptOutcome, FailureClass, OutcomeKind, SessionRole, Task, TaskKey, Usage
from swarmd.domain.workspaces import WorkspaceKind
from swarmd.store import definition_json, holds, landings
from swarmd.store.transaction import ReadTx, Row


class Progress(NamedTuple):
    """The last that a session said about its progress, and when."""

    text: str
    percent: int | None
    reported_us: int


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
    # The work of the latest attempt, or of the completed one, is a rehearsal.
    rehearsed: bool
    # The reported landing of the completed attempt as JSON; None if it did not land.
    landed: str | None
    # The ref that keeps the work of the completed attempt, if that has not landed.
    kept_ref: str
    starts_at: StartPoint
    work_of: int
    caps: Caps
    # None unless it is held.
    hold: Hold | None
    # Of its ended attempts; None before the first has ended.
    took_us: int | None
    # The plan whose budget it shares; empty if it shares none.
    plan: str
    # Of its running session; None if that said nothing.
    progress: Progress | None


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
    progress: Progress | None


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
    # Its change without the patch, as JSON; None if it reported none.
    change: str | None
    # The attempt whose work it lands or judges; 0 if it does its own. And where it started.
    work_of: int
    starts_at: StartPoint


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all tasks."""

    counts: Mapping[TaskStatus, int]
    estimated_hours: float
    completed_hours: float
    usage: Usage
    # The completed tasks that were rehearsed only.
    rehearsed: int


def tasks(tx: ReadTx, keys: Sequence[TaskKey]) -> Sequence[TaskView]:
    """Returns the tasks with these keys, in the given order."""
    return [_task(row) for row in tx.all("view_tasks", keys=json.dumps(keys))]


def task(tx: ReadTx, key: TaskKey) -> TaskView:
    """Returns the task with that key."""
    return tasks(tx, [key])[0]


def definition(tx: ReadTx, key: TaskKey) -> TaskDefinition:
    """Returns the definition of the task."""
    return definition_json.decode(tx.value("definition_get", subject=key, key=key))


def claimed_definition(tx: ReadTx, task: Task) -> TaskDefinition:
    """Returns the definition by which the next attempt of the task works."""
    found = definition(tx, task.key)
    if task.starts_at not in JUDGING:
        return placement.claimed_definition(found, work_of=task.work_of, retry_from=task.retry_from)
    left = landings.left_work(tx, task.key, number=task.work_of)
    in_clone = left is not None and left.in_clone
    workspace = WorkspaceKind.CLONE if in_clone else WorkspaceKind.SHARED
    return placement.claimed_definition(found, work_of=0, workspace=workspace)


def attempts(tx: ReadTx, key: TaskKey) -> Sequence[AttemptView]:
    """Returns all attempts of a task, the earliest first."""
    sessions = _sessions(tx, key)
    late: dict[int, list[LateResultView]] = {}
    for attempt_key, received_us, kind, failure, error, report in tx.all("view_late_results", key=key):
        result = LateResultView(received_us, OutcomeKind(kind), _failure(failure), error, report)
        late.setdefault(attempt_key, []).append(result)
    return [
        AttemptView(
            number=number,
            worker=worker,
            outcome=None if outcome is None else AttemptOutcome(outcome),
            failure_class=_failure(failure),
            error=error,
            claimed_us=claimed_us,
            started_us=started_us,
            ended_us=ended_us,
            report=report,
            sessions=sessions.get(attempt_key, ()),
            late_results=late.get(attempt_key, ()),
            change=change,
            work_of=work_of,
            starts_at=StartPoint(start),
        )
        for (
            attempt_key, number, worker, outcome, failure, error, claimed_us, started_us, ended_us, report, change,
            work_of, start,
        ) in tx.all("view_attempts", key=key)
    ]  # fmt: skip


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
        rehearsed=int(tx.value("swarm_rehearsed_tasks")),
    )


def _sessions(tx: ReadTx, key: TaskKey) -> Mapping[int, Sequence[SessionView]]:
    """Returns all sessions of a task, by the keys of their attempts."""
    sessions: dict[int, list[SessionView]] = {}
    for attempt_key, session_id, role, runner, started_us, ended_us, exit_code, *used, said in tx.all(
        "view_sessions", key=key
    ):
        view = SessionView(
            session_id,
            SessionRole(role),
            runner,
            started_us,
            ended_us,
            exit_code,
            Usage(*used),
            _progress(said),
        )
        sessions.setdefault(attempt_key, []).append(view)
    return sessions


def _progress(said: str | None) -> Progress | None:
    return None if said is None else Progress(*json.loads(said))


def _failure(name: str | None) -> FailureClass | None:
    return None if name is None else FailureClass(name)


def _task(row: Row) -> TaskView:
    (
        key, task_id, name, status, phase, type_, priority, attempt, max_retries, worker, builder_session_id,
        validator_session_id, last_error, failure, cause, estimated_hours, created_us, started_us, completed_us,
        input_tokens, output_tokens, cost_nano, dependencies, kill_receipt, rehearsed, landed, kept_ref, starts_at,
        work_of, max_cost_nano, max_tokens, hold, took_us, plan, progress,
    ) = row  # fmt: skip
    return TaskView(
        key=TaskKey(key), task_id=task_id, name=name, status=TaskStatus(status), phase=phase, type=type_,
        priority=priority, attempt=attempt, max_retries=max_retries, worker=worker,
        builder_session_id=builder_session_id, validator_session_id=validator_session_id, last_error=last_error,
        failure_class=_failure(failure), cause=cause, estimated_hours=estimated_hours, created_us=created_us,
        started_us=started_us, completed_us=completed_us, usage=Usage(input_tokens, output_tokens, cost_nano),
        dependencies=[(task_id, TaskStatus(status)) for task_id, status in json.loads(dependencies)],
        kill_receipt=kill_receipt, rehearsed=bool(rehearsed), landed=landed, kept_ref=kept_ref or "",
        starts_at=StartPoint(starts_at), work_of=work_of, caps=Caps(max_cost_nano, max_tokens), hold=None if hold is
        None else holds.from_row(json.loads(hold)), took_us=took_us, plan=plan, progress=_progress(progress),
    )  # fmt: skip
