"""What is true only while the server lives: who is connected, when each lease was last heard, what orders stand.

Changed on the event loop only, after the commit of what it reflects; built anew at each start, with full
fresh deadlines. Heartbeats are answered from here, so they are never behind a commit.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from swarmd.domain.lease_ids import LeaseRef, parse_lease_id
from swarmd.domain.model import (
    DisconnectPolicy,
    Lease,
    LeaseId,
    Order,
    OrderAction,
    TaskKey,
    WorkerIdentity,
    WorkerKey,
    WorkerName,
)
from swarmd.engine.live.mailbox import Mailbox, WorkerNotice
from swarmd.engine.ports import Clock

_Key = tuple[TaskKey, int]


@dataclass(slots=True)
class LiveLease:
    """A lease that stands."""

    lease: Lease
    # Unknown after a restart of the server until the worker presents it.
    lease_id: LeaseId | None
    heard_s: float
    started: bool
    # Its sessions are to outlast any silence of this server.
    kept: bool = False
    order: tuple[OrderAction, str] | None = None


@dataclass(slots=True)
class ConnectedWorker:
    """A worker that has joined since the server started."""

    key: WorkerKey
    identity: WorkerIdentity
    mailbox: Mailbox
    heard_s: float
    heard_us: int
    # Told by an operator to finish and to exit.
    draining: bool
    # Doing so by itself.
    leaving: bool = False
    suspect: bool = False
    # Claims that it let pass until they were taken back: what is sent to it may get lost on the way.
    unanswered: set[_Key] = field(default_factory=set)

    @property
    def connected(self) -> bool:
        """Whether its stream is open."""
        return not self.mailbox.closed

    @property
    def reachable(self) -> bool:
        """Whether what is sent to it can be expected to arrive."""
        return self.connected and not self.suspect

    @property
    def takes_claims(self) -> bool:
        """Whether it may be given a task."""
        return self.reachable and not (self.draining or self.leaving)


class LiveState:
    """The living side of the swarm."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._leases: dict[_Key, LiveLease] = {}
        self.members: dict[WorkerName, ConnectedWorker] = {}
        self.done = False
        # Nobody is given up: most workers fell silent at once.
        self.expiry_paused = False

    # ── leases ──────────────────────────────────────────────────────────────────────────────────

    def open_lease(
        self,
        lease: Lease,
        lease_id: LeaseId | None,
        policy: DisconnectPolicy | None,
        *,
        started: bool = False,
    ) -> None:
        """A lease stands from now on, with a full deadline."""
        now_s = self._clock.monotonic_s()
        kept = policy is DisconnectPolicy.KEEP
        self._leases[lease.task_key, lease.number] = LiveLease(lease, lease_id, now_s, started, kept)

    def start_lease(self, lease: Lease) -> None:
        """A session of it has its go."""
        if (found := self._leases.get((lease.task_key, lease.number))) is not None:
            found.started = True

    def refresh(self) -> None:
        """Gives every lease a full fresh deadline."""
        now_s = self._clock.monotonic_s()
        for found in self._leases.values():
            found.heard_s = now_s

    def end_lease(self, lease: Lease, *, order: OrderAction | None = None, cause: str = "") -> None:
        """It stands no more; the worker is told if it doesn't know."""
        found = self._leases.pop((lease.task_key, lease.number), None)
        if order is not None and found is not None and found.lease_id is not None:
            self._post(lease.worker, Order(found.lease_id, order, cause))

    def order(self, lease: Lease, action: OrderAction, cause: str) -> None:
        """Orders something about a lease: over the stream now, and with every heartbeat that lists it."""
        found = self._leases.get((lease.task_key, lease.number))
        if found is None:
            return
        found.order = (action, cause)
        if found.lease_id is not None:
            self._post(lease.worker, Order(found.lease_id, action, cause))

    def doom(self, lease: Lease, cause: str) -> None:
        """The lease is being given up: whoever still presents it is told so, unless told to end it already."""
        found = self._leases.get((lease.task_key, lease.number))
        if found is not None and found.order is None:
            self.order(lease, OrderAction.ABANDON, cause)

    def leases(self) -> Sequence[LiveLease]:
        """All that stand."""
        return list(self._leases.values())

    def leases_of(self, worker: WorkerName) -> Iterator[LiveLease]:
        """Those of one worker."""
        return (found for found in self._leases.values() if found.lease.worker == worker)

    def present(self, worker: WorkerName, lease_ids: Iterable[str]) -> list[Order]:
        """Hears of leases from the worker that claims to hold them; what to do about each that should not go on."""
        now_s = self._clock.monotonic_s()
        orders = []
        for text in lease_ids:
            found = self._proven(worker, parse_lease_id(text))
            if found is None:
                orders.append(Order(LeaseId(text), OrderAction.ABANDON, "the lease has ended"))
                continue
            found.lease_id, found.heard_s = LeaseId(text), now_s
            if found.order is not None:
                orders.append(Order(found.lease_id, *found.order))
        return orders

    def _proven(self, worker: WorkerName, ref: LeaseRef | None) -> LiveLease | None:
        found = None if ref is None else self._leases.get((ref.task_key, ref.number))
        if found is None or ref is None or found.lease.worker != worker or not ref.proves(found.lease):
            return None
        return found

    # ── workers ─────────────────────────────────────────────────────────────────────────────────

    def join(self, member: ConnectedWorker) -> None:
        """The worker's stream is open; it gets to know how things stand first."""
        self.members[member.identity.name] = member
        member.mailbox.notice(WorkerNotice(self.done, member.draining))

    def hear(self, member: ConnectedWorker) -> None:
        """The worker is alive."""
        member.heard_s, member.heard_us = self._clock.monotonic_s(), self._clock.wall_us()
        member.suspect = False

    def left_unanswered(self, lease: Lease) -> None:
        """The claim was taken back because the worker did not say that it has it."""
        if (member := self.members.get(lease.worker)) is not None:
            member.unanswered.add((lease.task_key, lease.number))

    def answers(self, member: ConnectedWorker, lease_ids: Iterable[str]) -> bool:
        """Whether a worker that seemed to be deaf speaks of what it was sent."""
        if not member.unanswered:
            return False
        refs = [ref for ref in map(parse_lease_id, lease_ids) if ref is not None]
        if member.unanswered.isdisjoint((ref.task_key, ref.number) for ref in refs):
            return False
        member.unanswered.clear()
        return True

    def forget(self, name: WorkerName) -> None:
        """The worker has gone; its stream, if one is left, is ended."""
        if (member := self.members.pop(name, None)) is not None:
            member.mailbox.close()

    def drain(self, name: WorkerName) -> None:
        """The worker gets no more claims and is told to leave when it has finished."""
        if (member := self.members.get(name)) is not None:
            member.draining = True
            member.mailbox.notice(WorkerNotice(self.done, drain=True))

    def set_done(self, done: bool) -> None:  # noqa: FBT001  # it is the value itself
        """Whether nothing is left to do; tells everybody when that changes."""
        if done == self.done:
            return
        self.done = done
        for member in self.members.values():
            member.mailbox.notice(WorkerNotice(done, member.draining))

    def _post(self, worker: WorkerName, order: Order) -> None:
        if (member := self.members.get(worker)) is not None and member.connected:
            member.mailbox.order(order)
