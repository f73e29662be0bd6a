"""Attempts and their leases as rows."""

import json
from dataclasses import dataclass
from typing import NamedTuple

from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import (
    NO_REPORT,
    AttemptKey,
    AttemptOutcome,
    DependencyResult,
    FailureClass,
    Lease,
    Outcome,
    SwarmMode,
    Task,
    TaskId,
    TaskKey,
    WorkerKey,
)
from swarmd.store import tasks
from swarmd.store.transaction import ReadTx, Row, Tx


class LeaseRecord(NamedTuple):
    """What a lease id points at."""

    lease: Lease
    task: Task
    claimed_us: int
    outcome: AttemptOutcome | None
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class OpenLease:
    """A lease that stands, as found at the start of the server."""

    lease: Lease
    status: TaskStatus
    cause: str
    mode: SwarmMode


def add(tx: Tx, lease: Lease, *, worker_key: WorkerKey) -> None:
    """Opens an attempt; the schema allows one open attempt a task."""
    tx.later(
        "attempt_add",
        (lease.task_key,),
        key=lease.attempt_key,
        task_key=lease.task_key,
        number=lease.number,
        epoch=lease.epoch,
        secret_hash=lease.secret_hash,
        worker_key=worker_key,
        now_us=tx.now_us,
    )


def find(tx: ReadTx, task_key: TaskKey, number: int) -> LeaseRecord | None:
    """The attempt of that task and number, and where the task is."""
    row = tx.one("attempt_by_lease", about=task_key, task_key=task_key, number=number)
    if row is None:
        return None
    return LeaseRecord(
        lease=_lease(row[18:25]),
        task=tasks.read(row),
        claimed_us=row[25],
        outcome=None if row[26] is None else AttemptOutcome(row[26]),
        digest=row[27],
    )


def all_open(tx: ReadTx) -> list[OpenLease]:
    """Every lease that stands."""
    return [
        OpenLease(_lease(row), TaskStatus(row[7]), row[8], SwarmMode(row[9]))
        for row in tx.all("attempt_open")
    ]


def open_of_worker(tx: ReadTx, worker_key: WorkerKey) -> list[Lease]:
    """The leases that the worker holds."""
    return [_lease(row) for row in tx.all("attempt_open_of_worker", worker_key=worker_key)]


def open_count(tx: ReadTx, worker_key: WorkerKey) -> int:
    """How many leases the worker holds: counted, so that no dead one can take up a slot for ever."""
    return int(tx.value("attempt_open_count", worker_key=worker_key))


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """An attempt as those see it who look back."""

    task_id: str
    number: int
    epoch: int
    worker: str
    runner: str
    claimed_us: int
    started_us: int | None
    ended_us: int
    outcome: str
    failure_class: str


def ended(tx: ReadTx, task_id: str, number: int) -> EndedAttempt | None:
    """That attempt, if it has ended."""
    row = tx.one("attempt_ended", task_id=task_id, number=number)
    return None if row is None else EndedAttempt(*row)


def start(tx: Tx, lease: Lease) -> None:
    """Notes when the first session got its go."""
    tx.later("attempt_start", (lease.task_key,), key=lease.attempt_key, now_us=tx.now_us)


def end(
    tx: Tx,
    lease: Lease,
    outcome: AttemptOutcome,
    *,
    failure_class: FailureClass | None = None,
    error: str = "",
    reported: Outcome | None = None,
) -> None:
    """Ends the attempt and whatever of its sessions was not reported as ended."""
    tx.later(
        "attempt_end",
        (lease.task_key,),
        key=lease.attempt_key,
        now_us=tx.now_us,
        outcome=outcome,
        failure_class=failure_class,
        error=error,
        report=None if reported is None else reported.report,
        digest=None if reported is None else reported.digest,
    )
    tx.later("session_end_of_attempt", (lease.task_key,), key=lease.attempt_key, now_us=tx.now_us)


def started_after(tx: ReadTx, task_key: TaskKey, number: int) -> bool:
    """Whether a later attempt of the task ever had a go."""
    return bool(tx.value("attempt_started_after", task_key=task_key, number=number))


def last_report(tx: ReadTx, task_key: TaskKey) -> str | None:
    """What the latest reported attempt left, as JSON."""
    report: str | None = tx.value("attempt_last_report", about=task_key, task_key=task_key)
    return report


def last_findings(tx: ReadTx, task_key: TaskKey, *, limit: int) -> list[list[str]]:
    """The ids of the findings of the latest rejected attempts, the latest first."""
    return [json.loads(row[0]) for row in tx.all("attempt_findings", task_key=task_key, limit=limit)]


def dependency_results(tx: ReadTx, task_key: TaskKey) -> list[DependencyResult]:
    """What came of the tasks that this one depends on, as far as workers reported it."""
    rows = tx.all("attempt_results_of_dependencies", task_key=task_key)
    return [
        DependencyResult(TaskId(row[0]), row[1], row[2]) for row in rows if row[2] not in (None, NO_REPORT)
    ]


def archive(tx: Tx, key: AttemptKey, outcome: Outcome) -> bool:
    """Keeps an outcome that came too late; False if the same one is kept already."""
    added = tx.run(
        "late_result_add",
        attempt_key=key,
        now_us=tx.now_us,
        kind=outcome.kind,
        failure_class=outcome.failure_class,
        error=outcome.error,
        report=outcome.report,
        digest=outcome.digest,
    )
    return added > 0


def accept_late(tx: Tx, task_key: TaskKey, number: int) -> bool:
    """Makes the archived result of an attempt its outcome; False if there is none that completed."""
    row = tx.one("late_result_completed", task_key=task_key, number=number)
    if row is None:
        return False
    tx.run("attempt_accept", key=row[0], report=row[1], digest=row[2])
    return True


def _lease(row: Row) -> Lease:
    """The lease of a row that begins with its columns, in the order of `attempt_open`."""
    return Lease._make(row[:7])
