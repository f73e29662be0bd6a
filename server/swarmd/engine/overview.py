"""The swarm and its workers as people see them: what is stored, with what is only known live."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from swarmd.domain.model import PausedRunner, SwarmState, WorkerIdentity, WorkerName
from swarmd.engine.live import Live, LiveLease
from swarmd.engine.ports import Clock
from swarmd.store import attempts, events, swarm, views, workers
from swarmd.store.transaction import ReadTx
from swarmd.store.views import Totals
from swarmd.store.workers import WorkerRecord


class WorkerStatus(StrEnum):
    """How it stands with a worker."""

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


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker as the server knows it."""

    identity: WorkerIdentity
    status: WorkerStatus
    heard_us: int | None
    task_ids: Sequence[str]


def swarm_view(tx: ReadTx, live: Live, *, started_us: int) -> SwarmView:
    """The swarm as a whole, as of one moment."""
    members = [member for member in list(live.members.values()) if member.connected]
    return SwarmView(
        state=swarm.get(tx),
        totals=views.totals(tx),
        done=not swarm.has_open(tx),
        workers=len(members),
        slots=sum(member.identity.slots for member in members),
        last_seq=events.last_seq(tx),
        paused_runners=swarm.paused_runners(tx),
        expiry_paused=live.expiry_paused,
        started_us=started_us,
    )


@dataclass(frozen=True, slots=True)
class StoppingWorker:
    """A worker that was told to end its sessions."""

    name: WorkerName
    reachable: bool
    task_ids: Sequence[str]
    # For one that can't be reached: by when it has ended them by itself, for people.
    stopped_by_us: int | None


def stopping_workers(live: Live, clock: Clock, *, stop_after_s: float) -> Sequence[StoppingWorker]:
    """Who holds sessions that are ordered to end, and what to expect of each."""
    by_worker: dict[WorkerName, list[LiveLease]] = {}
    for found in live.leases():
        if found.order is not None:
            by_worker.setdefault(found.lease.worker, []).append(found)
    return [_stopping(name, leases, live, clock, stop_after_s) for name, leases in sorted(by_worker.items())]


def _stopping(  # private, and called once
    name: WorkerName, leases: Sequence[LiveLease], live: Live, clock: Clock, stop_after_s: float
) -> StoppingWorker:
    member = live.members.get(name)
    reachable = member is not None and member.connected
    heard_s = max(found.heard_s for found in leases)
    left_s = max(0.0, stop_after_s - (clock.monotonic_s() - heard_s))
    by_us = None if reachable else clock.wall_us() + int(left_s * 1_000_000)
    return StoppingWorker(name, reachable, [found.lease.task_id for found in leases], by_us)


def worker_views(tx: ReadTx, live: Live) -> Sequence[WorkerView]:
    """All workers that ever joined, by name."""
    return [_worker(tx, record, live) for record in workers.every(tx)]


def _worker(tx: ReadTx, record: WorkerRecord, live: Live) -> WorkerView:
    member = live.members.get(record.identity.name)
    return WorkerView(
        identity=record.identity,
        status=_status(record, live),
        heard_us=None if member is None else member.heard_us,
        task_ids=[lease.task_id for lease in attempts.open_of_worker(tx, record.key)],
    )


def _status(record: WorkerRecord, live: Live) -> WorkerStatus:
    if record.left:
        return WorkerStatus.GONE
    member = live.members.get(record.identity.name)
    # One that has not come back since the server started, or whose stream is broken.
    if member is None or member.suspect or not member.connected:
        return WorkerStatus.SUSPECT
    return WorkerStatus.DRAINING if member.draining or member.leaving else WorkerStatus.ONLINE
