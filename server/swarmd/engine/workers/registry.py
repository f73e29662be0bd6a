"""Workers joining, beating, falling silent and leaving."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from swarmd.domain.errors import StreamReplaced, WorkerNameTaken
from swarmd.domain.lease_ids import parse_lease_id
from swarmd.domain.model import Lease, LeaseId, Order, WorkerIdentity, WorkerName
from swarmd.domain.policy import GRACE_ROOM_S
from swarmd.engine.attempts.outcomes import Outcomes
from swarmd.engine.dispatch.dispatcher import Dispatcher
from swarmd.engine.live.mailbox import Mailbox, WorkerNotice
from swarmd.engine.live.state import ConnectedWorker, LiveState
from swarmd.engine.observer import Observer
from swarmd.engine.ports import Clock
from swarmd.store import attempts, events, workers
from swarmd.store.events import EventKind
from swarmd.store.transaction import Tx
from swarmd.store.workers import WorkerRecord

# A fleet beats no faster in all than one server absorbs with ease: beyond this the interval is stretched.
BEATS_PER_S: Final = 500.0
# Workers come and go, but the interval need not follow at once.
COUNT_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class HeartbeatPolicy:
    """What the server demands of workers' heartbeats."""

    heartbeat_s: float
    suspect_after_s: float
    lost_after_s: float
    stop_after_s: float
    # How often the reaper looks.
    look_every_s: float

    @property
    def stopped_after_s(self) -> float:
        """How long after its last word a worker has ended its sessions, the grace period over too."""
        return min(self.lost_after_s, self.stop_after_s + GRACE_ROOM_S)


@dataclass(frozen=True, slots=True)
class BeatAnswer:
    """What a heartbeat gets back."""

    orders: Sequence[Order]
    heartbeat_s: float
    notice: WorkerNotice


class WorkerRegistry:
    """Keeps the list of workers true, in the store and in memory."""

    def __init__(
        self,
        *,
        live: LiveState,
        dispatcher: Dispatcher,
        outcomes: Outcomes,
        clock: Clock,
        pace: HeartbeatPolicy,
        nudge: Callable[[], None],
        observer: Observer,
    ) -> None:
        """`nudge` begins a write of its own, for what can't wait for the next one."""
        self._live = live
        self._dispatcher = dispatcher
        self._outcomes = outcomes
        self._clock = clock
        self._pace = pace
        self._connected = 0
        self._count_at_s = 0.0
        self._nudge = nudge
        self._observer = observer

    def join(
        self, tx: Tx, identity: WorkerIdentity, held: Sequence[str], mailbox: Mailbox
    ) -> ConnectedWorker:
        """Opens a worker's stream; raises WorkerNameTaken if another process may be alive under that name, and
        StreamReplaced if a newer request of the same worker came first.

        Whatever the worker held and does not list has ended for certain: it says so of itself, or it is a new
        process where the old one's lock, and its guards' locks, have been released.
        """
        record = workers.find(tx, identity.name)
        if record is not None:
            _refuse_overtaken(record, identity)
            self._refuse_twin(tx, record, identity)
        key = workers.upsert(tx, identity)
        for lease in attempts.open_of_worker(tx, key):
            if not any(_names(text, lease) for text in held):
                self._outcomes.lose(tx, lease, cause=f"worker {identity.name} no longer has the session")
        if record is None or record.left or record.identity.incarnation != identity.incarnation:
            events.append(tx, EventKind.WORKER_JOINED, worker=identity.name, cause=f"host {identity.host}")
        same = record is not None and record.identity.incarnation == identity.incarnation
        member = ConnectedWorker(
            key=key,
            identity=identity,
            mailbox=mailbox,
            heard_s=self._clock.monotonic_s(),
            heard_us=tx.now_us,
            draining=same and record is not None and record.draining,
        )
        self._dispatcher.feed(member)
        tx.after_commit(partial(self._seat, member, held))
        return member

    def leave(self, tx: Tx, name: WorkerName, incarnation: str) -> None:
        """A worker has said that it holds nothing any more and exits; one that has been replaced says nothing."""
        record = workers.find(tx, name)
        if record is None or record.identity.incarnation != incarnation:
            return
        if workers.set_left(tx, record.key):
            events.append(tx, EventKind.WORKER_LEFT, worker=name)
        tx.after_commit(partial(self._live.forget, name))

    def beat(
        self, name: WorkerName, incarnation: str, lease_ids: Sequence[str], *, leaving: bool
    ) -> BeatAnswer:
        """Answers a heartbeat from memory."""
        member = self._live.members.get(name)
        if member is not None and member.identity.incarnation == incarnation:
            self._hear(member, lease_ids, leaving=leaving)
        orders = self._live.present(name, lease_ids)
        drain = member is not None and member.draining
        return BeatAnswer(orders, self.heartbeat_s(), WorkerNotice(self._live.done, drain))

    def heartbeat_s(self) -> float:
        """The interval for a fleet of the present size, which is counted once in a while: every beat asks."""
        now_s = self._clock.monotonic_s()
        if now_s >= self._count_at_s:
            self._connected = sum(member.connected for member in self._live.members.values())
            self._count_at_s = now_s + COUNT_EVERY_S
        return max(self._pace.heartbeat_s, self._connected / BEATS_PER_S)

    def suspect(self, tx: Tx, name: WorkerName, leases: Sequence[Lease]) -> None:
        """Notes a silent worker and takes back the claims that it has not started: those cost nothing."""
        events.append(tx, EventKind.WORKER_SUSPECT, worker=name)
        for lease in leases:
            if self._outcomes.give_back(tx, lease, cause=f"worker {name} is silent"):
                tx.after_commit(partial(self._live.left_unanswered, lease))

    def lose(self, tx: Tx, name: WorkerName, leases: Sequence[Lease]) -> None:
        """Gives a worker's leases up: by now it has ended its sessions itself."""
        record = workers.find(tx, name)
        if record is not None and workers.set_left(tx, record.key):
            events.append(tx, EventKind.WORKER_LOST, worker=name)
            tx.after_commit(partial(self._live.forget, name))
        for lease in leases:
            self._outcomes.lose(tx, lease, cause=f"worker {name} was lost")

    def _hear(self, member: ConnectedWorker, lease_ids: Sequence[str], *, leaving: bool) -> None:
        was_out = self._live.answers(member, lease_ids) or member.suspect
        self._observer.beat(self._clock.monotonic_s() - member.heard_s)
        self._live.hear(member)
        member.leaving = leaving
        if was_out:
            # Nobody gave it anything while it was silent, or deaf.
            self._dispatcher.feed(member)
            self._nudge()

    def _refuse_twin(self, tx: Tx, record: WorkerRecord, identity: WorkerIdentity) -> None:
        """Lets a name pass to another machine only when nothing of the first can be alive."""
        if record.identity.instance == identity.instance or record.left:
            return
        member = self._live.members.get(identity.name)
        connected = member is not None and member.connected
        if connected or attempts.open_count(tx, record.key):
            raise WorkerNameTaken(identity.name, record.identity.host, record.identity.pid)

    def _seat(self, member: ConnectedWorker, held: Sequence[str]) -> None:
        old = self._live.members.get(member.identity.name)
        self._live.join(member)
        # Since the commit, the end of a lease may have fed the stream that this one replaces.
        self._dispatcher.feed(member)
        self._nudge()
        if old is not None and old.mailbox is not member.mailbox:
            old.mailbox.close(StreamReplaced(member.identity.name))
        for order in self._live.present(member.identity.name, held):
            member.mailbox.order(order)


def _refuse_overtaken(record: WorkerRecord, identity: WorkerIdentity) -> None:
    """An old request says what was held when it was sent, which proves nothing about what was claimed since."""
    known = record.identity
    if known.instance == identity.instance and 0 < identity.opening <= known.opening:
        raise StreamReplaced(identity.name)


def _names(text: str, lease: Lease) -> LeaseId | None:
    """The id, if it is the true one of the lease."""
    ref = parse_lease_id(text)
    return LeaseId(text) if ref is not None and ref.proves(lease) else None
