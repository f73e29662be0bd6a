"""The state that lives in memory: connected workers, the last sign of life of each lease, pending orders.

Invariant: it changes on the event loop only, after the commit of the change that it reflects. So the answer to a
heartbeat, which is made from it, is never ahead of the disk. Each start builds it again, with full deadlines.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from swarmd.domain.lease_ids import LeaseRef, parse_lease_id
from swarmd.domain.model import (
    DisconnectPolicy,
    Lease,
    LeaseId,
    Order,
    OrderAction,
    TargetKey,
    TaskKey,
    WorkerIdentity,
    WorkerKey,
    WorkerName,
)
from swarmd.domain.runner_kind import is_barred
from swarmd.engine.live.mailbox import Mailbox, WorkerNotice
from swarmd.engine.live.program_signs import NOTHING_RUNS, ProgramSigns, ReportedSigns, at
from swarmd.engine.live.provider_holds import ProviderHolds
from swarmd.engine.live.session_grants import SessionGrants
from swarmd.engine.ports import Clock

_Key = tuple[TaskKey, int]


@dataclass(slots=True)
class LiveLease:
    """An open lease."""

    lease: Lease
    # None after a restart of the server, until the worker lists the lease.
    lease_id: LeaseId | None
    heard_s: float
    started: bool
    # `on_disconnect: keep`: its sessions outlast any silence of this server.
    kept: bool = False
    order: tuple[OrderAction, str] | None = None
    # Of the program that runs for it; None if none does, or its worker reports none.
    signs: ProgramSigns | None = None


@dataclass(slots=True)
class ConnectedWorker:
    """A worker that has registered since the server started."""

    key: WorkerKey
    identity: WorkerIdentity
    mailbox: Mailbox
    heard_s: float
    heard_us: int
    # Drained by an operator: it finishes its tasks and exits.
    draining: bool
    # Where the work of its clones lands; None if it makes none.
    target_key: TargetKey | None = None
    # Drained by itself.
    leaving: bool = False
    suspect: bool = False
    # It only rehearses, and the swarm does real work now.
    barred: bool = False
    # Claims that it never acknowledged before they were released: messages to it may get lost on the way.
    unacknowledged: set[_Key] = field(default_factory=set)

    @property
    def connected(self) -> bool:
        """Returns whether its stream is open."""
        return not self.mailbox.closed

    @property
    def reachable(self) -> bool:
        """Returns whether a message to it can be expected to arrive."""
        return self.connected and not self.suspect

    @property
    def takes_claims(self) -> bool:
        """Returns whether it may get a task."""
        return self.reachable and not (self.draining or self.leaving or self.barred)


class LiveState:
    """The leases and workers of a running server."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._leases: dict[_Key, LiveLease] = {}
        self.workers: dict[WorkerName, ConnectedWorker] = {}
        self.provider_holds = ProviderHolds(clock)
        self.grants = SessionGrants(self.may_act)
        # A session that is not a rehearsal has run in this database.
        self.real_work = False
        self.done = False
        # No lease expires: most workers fell silent at once.
        self.expiry_paused = False
        # For which usage counts, in days since 1970.
        self.day = 0

    # ── leases ──────────────────────────────────────────────────────────────────────────────────

    def open_lease(
        self,
        lease: Lease,
        lease_id: LeaseId | None,
        policy: DisconnectPolicy | None,
        *,
        started: bool = False,
    ) -> None:
        """Adds a lease, with a full deadline."""
        now_s = self._clock.monotonic_s()
        kept = policy is DisconnectPolicy.KEEP
        self._leases[lease.task_key, lease.number] = LiveLease(lease, lease_id, now_s, started, kept)

    def start_lease(self, lease: Lease) -> None:
        """Notes that a session of the lease has its go."""
        if (found := self._leases.get((lease.task_key, lease.number))) is not None:
            found.started = True

    def reset_deadlines(self) -> None:
        """Gives every lease a full deadline."""
        now_s = self._clock.monotonic_s()
        for found in self._leases.values():
            found.heard_s = now_s

    def end_lease(self, lease: Lease, *, order: OrderAction | None = None, cause: str = "") -> None:
        """Removes the lease and, if `order` is given, sends that order to the worker."""
        found = self._leases.pop((lease.task_key, lease.number), None)
        self.grants.end_grant(lease)
        if order is not None and found is not None and found.lease_id is not None:
            self._send(lease.worker, Order(found.lease_id, order, cause))

    def order(self, lease: Lease, action: OrderAction, cause: str) -> None:
        """Sends an order about a lease now, and again with every heartbeat that lists the lease."""
        found = self._leases.get((lease.task_key, lease.number))
        if found is None:
            return
        found.order = (action, cause)
        if found.lease_id is not None:
            self._send(lease.worker, Order(found.lease_id, action, cause))

    def order_abandon(self, lease: Lease, cause: str) -> None:
        """Orders the worker to abandon a lease that is about to be given up, unless another order stands."""
        found = self._leases.get((lease.task_key, lease.number))
        if found is not None and found.order is None:
            self.order(lease, OrderAction.ABANDON, cause)

    def may_act(self, lease: Lease) -> bool:
        """Returns whether sessions of the lease may still change something: it is open, and not ordered to end."""
        found = self._leases.get((lease.task_key, lease.number))
        return found is not None and found.order is None and found.lease.epoch == lease.epoch

    def leases(self) -> Sequence[LiveLease]:
        """Returns the open leases."""
        return list(self._leases.values())

    def leases_of(self, worker: WorkerName) -> Iterator[LiveLease]:
        """Yields the open leases of one worker."""
        return (found for found in self._leases.values() if found.lease.worker == worker)

    def signs_of(self, task_key: TaskKey, number: int) -> ProgramSigns | None:
        """Returns the signs of the program that runs for an attempt; None if none is known to run."""
        found = self._leases.get((task_key, number))
        return None if found is None else found.signs

    def refresh_leases(
        self,
        worker: WorkerName,
        lease_ids: Iterable[str],
        running: Mapping[str, ReportedSigns] = NOTHING_RUNS,
    ) -> list[Order]:
        """Renews the deadlines of the leases that a worker lists; returns an order for each that must not go on.

        `running` has the signs of the programs that run, by lease id.
        """
        now_s, now_us = self._clock.monotonic_s(), self._clock.wall_us()
        orders = []
        for text in lease_ids:
            found = self._find_proven(worker, parse_lease_id(text))
            if found is None:
                orders.append(Order(LeaseId(text), OrderAction.ABANDON, "the lease has ended"))
                continue
            found.lease_id, found.heard_s = LeaseId(text), now_s
            signs = running.get(text)
            found.signs = None if signs is None else at(signs, now_us)
            if found.order is not None:
                orders.append(Order(found.lease_id, *found.order))
        return orders

    def holds(self, worker: WorkerName, lease_id: str) -> bool:
        """Returns whether the id is an open lease of this worker."""
        return self._find_proven(worker, parse_lease_id(lease_id)) is not None

    def _find_proven(self, worker: WorkerName, ref: LeaseRef | None) -> LiveLease | None:
        found = None if ref is None else self._leases.get((ref.task_key, ref.number))
        if found is None or ref is None or found.lease.worker != worker or not ref.proves(found.lease):
            return None
        return found

    # ── workers ─────────────────────────────────────────────────────────────────────────────────

    def add_worker(self, worker: ConnectedWorker) -> None:
        """Registers the worker of an open stream and sends it the notice first."""
        self.workers[worker.identity.name] = worker
        worker.mailbox.set_notice(WorkerNotice(self.done, worker.draining))

    def mark_heard(self, worker: ConnectedWorker) -> None:
        """Notes a sign of life of the worker."""
        worker.heard_s, worker.heard_us = self._clock.monotonic_s(), self._clock.wall_us()
        worker.suspect = False

    def mark_unacknowledged(self, lease: Lease) -> None:
        """Notes a claim that was released because the worker never acknowledged it."""
        if (worker := self.workers.get(lease.worker)) is not None:
            worker.unacknowledged.add((lease.task_key, lease.number))

    def acknowledges(self, worker: ConnectedWorker, lease_ids: Iterable[str]) -> bool:
        """Returns whether the worker lists a claim that it had not acknowledged: messages reach it again."""
        if not worker.unacknowledged:
            return False
        refs = [ref for ref in map(parse_lease_id, lease_ids) if ref is not None]
        if worker.unacknowledged.isdisjoint((ref.task_key, ref.number) for ref in refs):
            return False
        worker.unacknowledged.clear()
        return True

    def remove_worker(self, name: WorkerName) -> None:
        """Removes a worker that has gone, and ends its stream."""
        if (worker := self.workers.pop(name, None)) is not None:
            worker.mailbox.close()

    def note_real_work(self) -> None:
        """Notes that real work is done: workers that only rehearse get no more claims, unless that is allowed."""
        self.real_work = True
        for worker in list(self.workers.values()):
            worker.barred = is_barred(worker.identity)

    def drain(self, name: WorkerName) -> None:
        """Gives the worker no more claims, and sends it the notice to leave when it has finished."""
        if (worker := self.workers.get(name)) is not None:
            worker.draining = True
            worker.mailbox.set_notice(WorkerNotice(self.done, drain=True))

    def set_done(self, done: bool) -> None:  # noqa: FBT001  # it is the value itself
        """Notes if nothing is left to do; sends the notice to every worker when that changes."""
        if done == self.done:
            return
        self.done = done
        for worker in self.workers.values():
            worker.mailbox.set_notice(WorkerNotice(done, worker.draining))

    def _send(self, name: WorkerName, order: Order) -> None:
        if (worker := self.workers.get(name)) is not None and worker.connected:
            worker.mailbox.add_order(order)
