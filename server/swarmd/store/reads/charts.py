"""Data of the charts: the task graph, sessions over time, throughput."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import AttemptOutcome, SessionRole
from swarmd.store.transaction import ReadTx


@dataclass(frozen=True, slots=True)
class Node:
    """A task in the graph."""

    task_id: str
    name: str
    phase: str
    status: TaskStatus


@dataclass(frozen=True, slots=True)
class SessionBar:
    """A session on the time line."""

    task_id: str
    attempt: int
    role: SessionRole
    worker: str
    started_us: int
    ended_us: int | None
    # The end of its attempt; None while the attempt runs.
    outcome: AttemptOutcome | None


@dataclass(frozen=True, slots=True)
class TimeBucket:
    """The attempts and the tasks that ended in one interval, and the median duration of its sessions."""

    begin_us: int
    completed: int
    failed: int
    tasks_completed: int
    tasks_failed: int
    median_us: Mapping[SessionRole, float]


def nodes(tx: ReadTx, phase: str | None) -> Sequence[Node]:
    """Returns the tasks, of one phase if `phase` is given."""
    return [
        Node(task_id, name, phase_, TaskStatus(status))
        for task_id, name, phase_, status in tx.all("chart_nodes", phase=phase)
    ]


def edges(tx: ReadTx, phase: str | None) -> Sequence[tuple[str, str]]:
    """Returns the dependencies as (before, after), within one phase if `phase` is given."""
    return [(before, after) for before, after in tx.all("chart_edges", phase=phase)]


def phases(tx: ReadTx) -> Mapping[str, Mapping[TaskStatus, int]]:
    """Counts the tasks of each phase by status."""
    found: dict[str, dict[TaskStatus, int]] = {}
    for phase, status, count in tx.all("chart_phases"):
        found.setdefault(phase, {})[TaskStatus(status)] = count
    return found


def phase_edges(tx: ReadTx) -> Sequence[tuple[str, str, int]]:
    """Counts the dependencies from one phase to another, as (before, after, count)."""
    return [(before, after, count) for before, after, count in tx.all("chart_phase_edges")]


def sessions(tx: ReadTx, *, since_us: int, until_us: int, limit: int) -> Sequence[SessionBar]:
    """Returns the sessions that ran within the interval, the newest first."""
    rows = tx.all("chart_sessions", since_us=since_us, until_us=until_us, limit=limit)
    return [
        SessionBar(
            task_id,
            attempt,
            SessionRole(role),
            worker,
            started_us,
            ended_us,
            None if outcome is None else AttemptOutcome(outcome),
        )
        for task_id, attempt, role, worker, started_us, ended_us, outcome in rows
    ]


def throughput(tx: ReadTx, *, since_us: int, bucket_us: int, buckets: int) -> Sequence[TimeBucket]:
    """Returns one bucket for each interval since `since_us`, empty ones included."""
    counts: dict[tuple[int, str], int] = {}
    for bucket, outcome, count in tx.all("chart_outcomes", since_us=since_us, bucket_us=bucket_us):
        counts[bucket, outcome] = count
    tasks: dict[tuple[int, str], int] = {}
    for bucket, status, count in tx.all("chart_ended_tasks", since_us=since_us, bucket_us=bucket_us):
        tasks[bucket, status] = count
    medians: dict[int, dict[SessionRole, float]] = {}
    for bucket, role, took_us in tx.all("chart_durations", since_us=since_us, bucket_us=bucket_us):
        medians.setdefault(bucket, {})[SessionRole(role)] = took_us
    return [
        TimeBucket(
            begin_us=since_us + bucket * bucket_us,
            completed=counts.get((bucket, "completed"), 0),
            failed=counts.get((bucket, "failed"), 0),
            tasks_completed=tasks.get((bucket, "completed"), 0),
            tasks_failed=tasks.get((bucket, "failed"), 0),
            median_us=medians.get(bucket, {}),
        )
        for bucket in range(buckets)
    ]
