"""The state of the swarm as of one scrape: the totals of the store, and the live state.

Invariant: the cost does not depend on the number of tasks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from swarmd.domain.holds import HoldKind
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import SessionRole, SwarmState
from swarmd.engine.live.state import ConnectedWorker
from swarmd.engine.live.wakeups import SubscriberKind
from swarmd.engine.observer import seconds_since
from swarmd.engine.swarm import Swarm
from swarmd.store import events, holds, landings, runner_pauses, shared_budgets, swarm
from swarmd.store.file import connections
from swarmd.store.landings import LandingTotals
from swarmd.store.reads import totals
from swarmd.store.reads.totals import AttemptTotal, TaskTotal, UsageTotal
from swarmd.store.shared_budgets import Spending
from swarmd.store.transaction import ReadTx


@dataclass(frozen=True, slots=True)
class StoredState:
    """The totals, read in one transaction."""

    state: SwarmState
    tasks: Mapping[TaskStatus, TaskTotal]
    oldest_ready_us: int | None
    usage: Mapping[SessionRole, UsageTotal]
    attempts: Sequence[AttemptTotal]
    paused_runners: int
    held: Mapping[HoldKind, int]
    last_seq: int
    # Attempts that want to land, those that have the right included.
    landing: int
    landings: LandingTotals
    spending: Spending


@dataclass(frozen=True, slots=True)
class ScrapeState:
    """The stored totals and the live state."""

    stored: StoredState
    oldest_ready_s: float
    workers: Mapping[str, int]
    slots: int
    leases: Mapping[str, int]
    oldest_beat_s: float
    expiry_paused: bool
    streams: Mapping[str, int]
    behind: Mapping[str, int]
    bytes: Mapping[str, int]
    standbys: Mapping[str, int]


async def read_state(known: Swarm) -> ScrapeState:
    """Reads the state."""
    stored = await known.db.read(_stored)
    workers = list(known.live.workers.values())
    now_s = known.clock.monotonic_s()
    leases = known.live.leases()
    started = sum(found.started for found in leases)
    return ScrapeState(
        stored=stored,
        oldest_ready_s=seconds_since(stored.oldest_ready_us, known.clock.wall_us()),
        workers=_workers(workers),
        slots=sum(worker.identity.slots for worker in workers if worker.connected),
        leases={"claimed": len(leases) - started, "started": started},
        oldest_beat_s=max((now_s - worker.heard_s for worker in workers), default=0.0),
        expiry_paused=known.live.expiry_paused,
        streams={"claims": sum(worker.connected for worker in workers), **_streams(known)},
        behind=_behind(known, stored.last_seq),
        bytes=_bytes(known.db.path),
        standbys=known.db.replication.counts()._asdict(),
    )


def _stored(tx: ReadTx) -> StoredState:
    return StoredState(
        state=swarm.get(tx),
        tasks=totals.tasks(tx),
        oldest_ready_us=totals.oldest_ready_us(tx),
        usage=totals.usage(tx),
        attempts=totals.attempts(tx),
        paused_runners=len(runner_pauses.find_all(tx)),
        held=holds.count_by_kind(tx),
        last_seq=events.last_seq(tx),
        landing=landings.waiting(tx),
        landings=landings.totals(tx),
        spending=shared_budgets.spending(tx),
    )


def _workers(workers: Sequence[ConnectedWorker]) -> Mapping[str, int]:
    """Counts the workers that have registered since the server started and are not gone, by status."""
    found = dict.fromkeys(("online", "draining", "suspect"), 0)
    for worker in workers:
        if worker.suspect or not worker.connected:
            found["suspect"] += 1
        else:
            found["draining" if worker.draining or worker.leaving else "online"] += 1
    return found


def _streams(known: Swarm) -> Mapping[str, int]:
    kinds = (SubscriberKind.EVENTS, SubscriberKind.LOG, SubscriberKind.WEBSOCKET)
    return {
        kind: sum(subscription.kind is kind for subscription in known.wakeups.subscriptions) for kind in kinds
    }


def _behind(known: Swarm, last_seq: int) -> Mapping[str, int]:
    """Returns the number of events that the slowest subscriber of each kind has not read."""
    found = {SubscriberKind.EVENTS: 0, SubscriberKind.NOTIFY: 0}
    for subscription in known.wakeups.subscriptions:
        if subscription.seq is not None and subscription.kind in found:
            found[subscription.kind] = max(found[subscription.kind], last_seq - subscription.seq)
    return {str(kind): count for kind, count in found.items()}


def _bytes(path: Path) -> Mapping[str, int]:
    return {"database": connections.size(path), "wal": connections.size(connections.beside(path, "-wal"))}
