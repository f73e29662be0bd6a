"""The swarm and its workers as people see them: stored rows joined with the live state."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from swarmd.domain.model import PausedRunner, SwarmState, WorkerIdentity, WorkerName
from swarmd.engine.live.program_signs import QuietTask, quiet_tasks
from swarmd.engine.live.state import ConnectedWorker, LiveLease, LiveState
from swarmd.engine.ports import Clock
from swarmd.engine.workers.registry import FORGET_AFTER_US, HeartbeatPolicy
from swarmd.store import attempts, events, runner_pauses, swarm, workers
from swarmd.store.reads import views
from swarmd.store.reads.views import Totals
from swarmd.store.transaction import ReadTx
from swarmd.store.workers import WorkerRecord

# More workers that left than these are not listed.
MAX_GONE: Final = 500


class WorkerStatus(StrEnum):
    """The statuses of a worker."""

    ONLINE = "online"
    DRAINING = "draining"
    SUSPECT = "suspect"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class SwarmView:
    """The swarm as a whole."""

    state: SwarmState
    totals: Totals
    done: bool
    workers: int
    slots: int
    last_seq: int
    paused_runners: Sequence[PausedRunner]
    expiry_paused: bool
    started_us: int
    quiet: Sequence[QuietTask]


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker as the server knows it."""

    identity: WorkerIdentity
    status: WorkerStatus
    heard_us: int | None
    task_ids: Sequence[str]
    # Set if it is suspect: the time by which it has ended its sessions by itself, except kept ones. For display.
    stopped_by_us: int | None


def swarm_view(tx: ReadTx, live: LiveState, *, started_us: int, quiet_since_us: int) -> SwarmView:
    """Returns the swarm as a whole, as of one moment; tasks without a new sign since `quiet_since_us` are quiet."""
    workers = [worker for worker in list(live.workers.values()) if worker.connected]
    return SwarmView(
        state=swarm.get(tx),
        totals=views.totals(tx),
        done=not swarm.has_open(tx),
        workers=len(workers),
        slots=sum(worker.identity.slots for worker in workers),
        last_seq=events.last_seq(tx),
        paused_runners=runner_pauses.find_all(tx),
        expiry_paused=live.expiry_paused,
        started_us=started_us,
        quiet=quiet_tasks(live.leases(), before_us=quiet_since_us),
    )


@dataclass(frozen=True, slots=True)
class StoppingWorker:
    """A worker that was ordered to end its sessions."""

    name: WorkerName
    reachable: bool
    task_ids: Sequence[str]
    # Set if it can't be reached and keeps no session: the time by which it has ended them by itself. For display.
    stopped_by_us: int | None


def stopping_workers(live: LiveState, clock: Clock, pace: HeartbeatPolicy) -> Sequence[StoppingWorker]:
    """Returns the workers with sessions that are ordered to end, and what to expect of each worker."""
    by_worker: defaultdict[WorkerName, list[LiveLease]] = defaultdict(list)
    for found in live.leases():
        if found.order is not None:
            by_worker[found.lease.worker].append(found)
    return [
        _stopping(name, leases, live.workers.get(name), clock, pace)
        for name, leases in sorted(by_worker.items())
    ]


def _stopping(
    name: WorkerName,
    leases: Sequence[LiveLease],
    worker: ConnectedWorker | None,
    clock: Clock,
    pace: HeartbeatPolicy,
) -> StoppingWorker:
    reachable = worker is not None and worker.reachable
    known = not reachable and not any(found.kept for found in leases)
    by_us = _stopped_by_us(leases, clock, pace) if known else None
    return StoppingWorker(name, reachable, [found.lease.task_id for found in leases], by_us)


def _stopped_by_us(leases: Sequence[LiveLease], clock: Clock, pace: HeartbeatPolicy) -> int:
    """Returns the time by which a worker that stays silent has ended these sessions by itself."""
    silent_s = clock.monotonic_s() - max(found.heard_s for found in leases)
    return clock.wall_us() + int(max(0.0, pace.stopped_after_s - silent_s) * 1_000_000)


def worker_views(tx: ReadTx, live: LiveState, clock: Clock, pace: HeartbeatPolicy) -> Sequence[WorkerView]:
    """Returns the workers by name; those that left are listed for a day."""
    fenced: defaultdict[WorkerName, list[LiveLease]] = defaultdict(list)
    for lease in live.leases():
        if not lease.kept:
            fenced[lease.lease.worker].append(lease)
    by_us = {name: _stopped_by_us(leases, clock, pace) for name, leases in fenced.items()}
    listed = _listed(workers.list_all(tx), after_us=clock.wall_us() - FORGET_AFTER_US)
    return [_worker(tx, record, live, by_us.get(record.identity.name)) for record in listed]


def _listed(records: Sequence[WorkerRecord], *, after_us: int) -> Sequence[WorkerRecord]:
    """Returns the workers without those that left before `after_us`, and the latest MAX_GONE of those that left."""
    left = sorted(record.left_us for record in records if record.left_us is not None)
    after_us = max(after_us, left[-MAX_GONE] if len(left) > MAX_GONE else 0)
    return [record for record in records if record.left_us is None or record.left_us >= after_us]


def _worker(tx: ReadTx, record: WorkerRecord, live: LiveState, stopped_by_us: int | None) -> WorkerView:
    worker = live.workers.get(record.identity.name)
    status = _status(record, live)
    return WorkerView(
        identity=record.identity,
        status=status,
        heard_us=None if worker is None else worker.heard_us,
        task_ids=[lease.task_id for lease in attempts.open_of_worker(tx, record.key)],
        stopped_by_us=stopped_by_us if status is WorkerStatus.SUSPECT else None,
    )


def _status(record: WorkerRecord, live: LiveState) -> WorkerStatus:
    if record.left:
        return WorkerStatus.GONE
    worker = live.workers.get(record.identity.name)
    # It has not come back since the server started, or its stream is broken.
    if worker is None or not worker.reachable:
        return WorkerStatus.SUSPECT
    return WorkerStatus.DRAINING if worker.draining or worker.leaving else WorkerStatus.ONLINE
