"""Attempts and their leases as rows."""

import json
from dataclasses import dataclass
from typing import Final, NamedTuple

from swarmd.domain.budget import NOTHING, Spent
from swarmd.domain.claim import DependencyResult
from swarmd.domain.landing import JUDGING, StartPoint
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import (
    NO_REPORT,
    AttemptKey,
    AttemptOutcome,
    FailureClass,
    Lease,
    Outcome,
    SwarmMode,
    TargetKey,
    Task,
    TaskId,
    TaskKey,
    WorkerKey,
    WorkerName,
)
from swarmd.domain.policy import MAX_INTERRUPTIONS
from swarmd.store import tasks
from swarmd.store.transaction import ReadTx, Tx

# The place of a lease in a row that begins with a task.
_LEASE: Final = slice(len(Task._fields), len(Task._fields) + len(Lease._fields))


class LeaseRecord(NamedTuple):
    """A lease, its task, and the end of its attempt if there is one."""

    lease: Lease
    task: Task
    claimed_us: int
    outcome: AttemptOutcome | None
    digest: bytes | None
    # None without a clone; no place if it has not asked to land.
    target_key: TargetKey | None = None
    landing_place: int | None = None
    # The attempt whose work it lands or judges; 0 if it does its own.
    work_of: int = 0
    # Its sessions were ordered to end because a cap was passed.
    over_budget: bool = False
    # There are budgets that tasks share.
    budgets: bool = False
    starts_at: StartPoint = StartPoint.BUILDER


@dataclass(frozen=True, slots=True)
class OpenLease:
    """An open lease as the server finds it when it starts."""

    lease: Lease
    status: TaskStatus
    cause: str
    mode: SwarmMode
    over_budget: bool


def add(
    tx: Tx,
    lease: Lease,
    *,
    worker_key: WorkerKey,
    target_key: TargetKey | None = None,
    first_base: str | None = None,
    work_of: int = 0,
    account: str = "",
    reserved: Spent = NOTHING,
    starts_at: StartPoint = StartPoint.BUILDER,
) -> None:
    """Opens an attempt, in a clone if it has a target; the schema allows one open attempt a task.

    `work_of` is the attempt whose work it lands or judges, `account` what pays for it, `reserved` what it may need.
    """
    tx.defer(
        "attempt_add",
        (lease.task_key,),
        key=lease.attempt_key,
        task_key=lease.task_key,
        number=lease.number,
        epoch=lease.epoch,
        secret_hash=lease.secret_hash,
        worker_key=worker_key,
        claimed_us=tx.now_us,
        error="",
        target_key=target_key,
        first_base=first_base,
        work_of=work_of,
        account=account,
        reserved_cost_nano=reserved.cost_nano,
        reserved_tokens=reserved.tokens,
        starts_at=starts_at,
    )


def find(tx: ReadTx, task_key: TaskKey, number: int) -> LeaseRecord | None:
    """Returns the lease of that task and number, None if there is none."""
    row = tx.one("attempt_by_lease", subject=task_key, task_key=task_key, number=number)
    if row is None:
        return None
    claimed_us, outcome, digest, target_key, landing_place, work_of, over_budget, budgets, start = row[
        _LEASE.stop :
    ]
    return LeaseRecord(
        lease=Lease._make(row[_LEASE]),
        task=tasks.from_row(row),
        claimed_us=claimed_us,
        outcome=None if outcome is None else AttemptOutcome(outcome),
        digest=digest,
        target_key=target_key,
        landing_place=landing_place,
        work_of=work_of,
        over_budget=bool(over_budget),
        budgets=bool(budgets),
        starts_at=StartPoint(start),
    )


def judges_accepted(tx: ReadTx, record: LeaseRecord) -> bool:
    """Returns whether the attempt judges work that had counted before."""
    earlier = find(tx, record.task.key, record.work_of) if record.starts_at in JUDGING else None
    return earlier is not None and earlier.outcome is AttemptOutcome.COMPLETED


def all_open(tx: ReadTx) -> list[OpenLease]:
    """Returns every open lease."""
    return [
        OpenLease(Lease._make(lease), TaskStatus(status), cause, SwarmMode(mode), bool(over_budget))
        for *lease, status, cause, mode, over_budget in tx.all("attempt_open")
    ]


def open_of_worker(tx: ReadTx, worker_key: WorkerKey) -> list[Lease]:
    """Returns the leases that the worker holds."""
    return [Lease._make(row) for row in tx.all("attempt_open_of_worker", worker_key=worker_key)]


def open_count(tx: ReadTx, worker_key: WorkerKey) -> int:
    """Counts the leases that the worker holds: a count in memory could drift and block a slot forever."""
    return int(tx.value("attempt_open_count", worker_key=worker_key))


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """An attempt that has ended, as traces show it."""

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
    """Returns the attempt, None if it has not ended."""
    row = tx.one("attempt_ended", task_id=task_id, number=number)
    return None if row is None else EndedAttempt(*row)


def start(tx: Tx, lease: Lease) -> None:
    """Stores the start of the attempt, at its first go; a later go changes nothing."""
    tx.defer("attempt_start", (lease.task_key,), key=lease.attempt_key, started_us=tx.now_us)


def end(
    tx: Tx,
    lease: Lease,
    outcome: AttemptOutcome,
    *,
    failure_class: FailureClass | None = None,
    error: str = "",
    reported: Outcome | None = None,
) -> None:
    """Ends the attempt, and those of its sessions whose own end was not reported."""
    tx.defer(
        "attempt_end",
        (lease.task_key,),
        key=lease.attempt_key,
        ended_us=tx.now_us,
        outcome=outcome,
        failure_class=failure_class,
        error=error,
        report=None if reported is None else reported.report,
        digest=None if reported is None else reported.digest,
    )
    tx.defer("session_end_of_attempt", (lease.task_key,), key=lease.attempt_key, ended_us=tx.now_us)


def is_in_project_root(tx: ReadTx, task_key: TaskKey) -> bool:
    """Returns True if the latest attempt that started had no clone."""
    return bool(tx.value("attempt_in_project_root", subject=task_key, task_key=task_key))


def started_after(tx: ReadTx, task_key: TaskKey, number: int) -> bool:
    """Returns True if a later attempt of the task ever had a go."""
    return bool(tx.value("attempt_started_after", task_key=task_key, number=number))


def last_report(tx: ReadTx, task_key: TaskKey) -> str | None:
    """Returns the report of the latest attempt that started, as JSON; None if there is none."""
    report: str | None = tx.value("attempt_last_report", subject=task_key, task_key=task_key)
    return report


def last_findings(tx: ReadTx, task_key: TaskKey, *, limit: int) -> list[list[str]]:
    """Returns the ids of the findings of the latest rejected attempts, the latest first."""
    return [json.loads(row[0]) for row in tx.all("attempt_findings", task_key=task_key, limit=limit)]


def interruptions(tx: ReadTx, lease: Lease) -> int:
    """Returns how many of the MAX_INTERRUPTIONS attempts before this one were interrupted."""
    most = MAX_INTERRUPTIONS
    key = lease.task_key
    return int(tx.value("attempt_interruptions", subject=key, task_key=key, number=lease.number, most=most))


class Survivors(NamedTuple):
    """Processes of an attempt that could not be ended, and the worker on whose machine they run."""

    processes: int
    worker: WorkerName


def survivors(tx: ReadTx, task_key: TaskKey) -> Survivors | None:
    """Returns the survivors of the task's latest attempt with a report; None if there are none."""
    row = tx.one("attempt_survivors", task_key=task_key)
    return Survivors(row[0], WorkerName(row[1])) if row and row[0] else None


def dependency_results(tx: ReadTx, task_key: TaskKey) -> list[DependencyResult]:
    """Returns the reported results of the task's dependencies, in the order of the definition."""
    rows = tx.all("attempt_results_of_dependencies", task_key=task_key)
    return [
        DependencyResult(TaskId(row[0]), row[1], row[2]) for row in rows if row[2] not in (None, NO_REPORT)
    ]


def archive(tx: Tx, key: AttemptKey, outcome: Outcome) -> bool:
    """Keeps an outcome that came too late; returns False if the same outcome is already kept."""
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
    """Makes the archived result of an attempt its outcome; returns False if no completed result is archived."""
    row = tx.one("late_result_completed", task_key=task_key, number=number)
    if row is None:
        return False
    tx.run("attempt_accept", key=row[0], report=row[1], digest=row[2])
    return True
