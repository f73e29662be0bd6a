"""Starts of attempts: with a builder or with work that is there, and from which commits."""

from typing import Final, NamedTuple

from swarmd.domain.budget import Spent
from swarmd.domain.claim import Claim, CloneStart
from swarmd.domain.landing import JUDGING, KeptWork, StartPoint
from swarmd.domain.model import NO_REPORT, Lease, TargetKey, Task, WorkerKey
from swarmd.engine.tasks.landing_orders import work_to_land
from swarmd.store import attempts, landings
from swarmd.store.transaction import Tx

# The epoch of a database that was never restored.
FIRST_EPOCH: Final = 1


class StartWork(NamedTuple):
    """Where an attempt starts, and the work that it starts with, with the report of its builder."""

    starts_at: StartPoint = StartPoint.BUILDER
    work: KeptWork | None = None
    report: str = NO_REPORT


def start_of(tx: Tx, task: Task) -> StartWork:
    """Returns where the next attempt of the task starts; with a builder if the work is not known any more."""
    if task.starts_at in JUDGING:
        left = landings.left_work(tx, task.key, number=task.work_of)
        return StartWork() if left is None else StartWork(task.starts_at, left.work, left.report)
    work = work_to_land(tx, task) if task.starts_at is StartPoint.LANDING else None
    return StartWork() if work is None else StartWork(task.starts_at, work)


def open_attempt(
    tx: Tx,
    claim: Claim,
    lease: Lease,
    worker_key: WorkerKey,
    target_key: TargetKey | None,
    *,
    account: str,
    reserved: Spent,
) -> None:
    """Stores the attempt of a claim."""
    first_base = None if claim.clone is None else claim.clone.first_base
    attempts.add(
        tx, lease, worker_key=worker_key, target_key=target_key, first_base=first_base,
        work_of=0 if claim.work is None else claim.work.attempt, account=account, reserved=reserved,
        starts_at=claim.starts_at,
    )  # fmt: skip


def clone_start(tx: Tx, task: Task, key: TargetKey, *, epoch: int) -> CloneStart:
    """Returns the commits that an attempt in a clone starts from."""
    base, first_base = landings.tip(tx, key), landings.first_base(tx, task.key, key)
    if first_base is None:
        # An attempt that a restore of the database has forgotten may have landed before this tip.
        first_base = base if epoch == FIRST_EPOCH else ""
    return CloneStart(base, first_base, landings.previous_head(tx, task.key), task.failure_class)
