"""The registry of workers: registration, heartbeats, silence and departure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from swarmd.domain.errors import (
    RehearsalRefused,
    StreamReplaced,
    WorkerConnected,
    WorkerNameTaken,
    WorkerNotFound,
)
from swarmd.domain.lease_ids import parse_lease_id
from swarmd.domain.model import Lease, LeaseId, Order, TargetKey, WorkerIdentity, WorkerKey, WorkerName
from swarmd.domain.placement import makes_clones
from swarmd.domain.policy import GRACE_ROOM_S
from swarmd.domain.runner_kind import is_barred
from swarmd.engine.attempts.outcomes import Outcomes
from swarmd.engine.dispatch.dispatcher import Dispatcher
from swarmd.engine.live.mailbox import Mailbox, WorkerNotice
from swarmd.engine.live.program_signs import NOTHING_RUNS, ReportedSigns
from swarmd.engine.live.state import ConnectedWorker, LiveState
from swarmd.engine.ports import Ports
from swarmd.store import attempts, events, landings, swarm, workers
from swarmd.store.events import EventKind
from swarmd.store.transaction import Tx
from swarmd.store.workers import WorkerRecord

# The rate of heartbeats that a server absorbs with ease; with more workers the interval grows.
BEATS_PER_S: Final = 500.0
# The interval need not follow the number of workers at once.
COUNT_EVERY_S: Final = 1.0
FORGOTTEN: Final = "an operator says that its machine is gone"
# A worker that left is listed for this long; then its row goes, unless attempts refer to it.
FORGET_AFTER_US: Final = 24 * 3_600 * 1_000_000


@dataclass(frozen=True, slots=True)
class HeartbeatPolicy:
    """The intervals and limits of heartbeats."""

    heartbeat_s: float
    suspect_after_s: float
    lost_after_s: float
    stop_after_s: float
    # The interval of the reaper.
    look_every_s: float

    @property
    def stopped_after_s(self) -> float:
        """Returns the silence after which a worker has ended its sessions, its grace period included."""
        return min(self.lost_after_s, self.stop_after_s + GRACE_ROOM_S)


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """The answer to a heartbeat."""

    orders: Sequence[Order]
    heartbeat_s: float
    notice: WorkerNotice


class WorkerRegistry:
    """The workers in the store and in memory."""

    def __init__(
        self,
        *,
        live: LiveState,
        dispatcher: Dispatcher,
        outcomes: Outcomes,
        ports: Ports,
        pace: HeartbeatPolicy,
        request_dispatch: Callable[[], None],
    ) -> None:
        """`request_dispatch` starts a write, for assignments that can't wait for the next one."""
        self._live = live
        self._dispatcher = dispatcher
        self._outcomes = outcomes
        self._clock = ports.clock
        self._pace = pace
        self._connected = 0
        self._count_at_s = 0.0
        self._request_dispatch = request_dispatch
        self._observer = ports.observer

    def register(
        self, tx: Tx, identity: WorkerIdentity, held: Sequence[str], mailbox: Mailbox
    ) -> ConnectedWorker:
        """Registers a worker that opens its stream, and ends the attempts that it no longer holds.

        A lease that is not in `held` has ended for certain: the same process says so, or a new process holds the
        lock of the old one and the locks of its guards.

        Raises:
            WorkerNameTaken: another process may be alive under that name.
            StreamReplaced: a newer request of the same worker came first.
            RehearsalRefused: the worker only rehearses, and the swarm has done real work.
        """
        if is_barred(identity) and swarm.has_real_work(tx):
            raise RehearsalRefused(identity.name, identity.runner)
        record = workers.find(tx, identity.name)
        if record is not None:
            _refuse_outdated(record, identity)
            self._refuse_duplicate(tx, record, identity)
        key = workers.upsert(tx, identity)
        self._end_missing(tx, key, identity.name, held)
        if record is None or record.left or record.identity.incarnation != identity.incarnation:
            events.append(tx, EventKind.WORKER_JOINED, worker=identity.name, cause=f"host {identity.host}")
        same = record is not None and record.identity.incarnation == identity.incarnation
        worker = ConnectedWorker(
            key=key,
            identity=identity,
            mailbox=mailbox,
            heard_s=self._clock.monotonic_s(),
            heard_us=tx.now_us,
            draining=same and record is not None and record.draining,
            target_key=_target_key(tx, identity),
        )
        self._dispatcher.mark_free(worker)
        tx.after_commit(partial(self._register, worker, held))
        return worker

    def leave(self, tx: Tx, name: WorkerName, incarnation: str, held: Sequence[str]) -> None:
        """Notes that a worker exits, and ends the attempts that it no longer holds.

        `held` are the leases of outcomes that it could not deliver. A claim that was under way to it is released here.
        Ignores a process that has been replaced.
        """
        record = workers.find(tx, name)
        if record is None or record.identity.incarnation != incarnation:
            return
        self._end_missing(tx, record.key, name, held)
        if workers.set_left(tx, record.key):
            events.append(tx, EventKind.WORKER_LEFT, worker=name)
        tx.after_commit(partial(self._live.remove_worker, name))

    def heartbeat(
        self,
        name: WorkerName,
        incarnation: str,
        lease_ids: Sequence[str],
        *,
        leaving: bool,
        running: Mapping[str, ReportedSigns] = NOTHING_RUNS,
    ) -> HeartbeatAnswer:
        """Renews the leases that the worker lists, and answers from memory; `running` has signs by lease id."""
        worker = self._live.workers.get(name)
        if worker is not None and worker.identity.incarnation == incarnation:
            self._mark_heard(worker, lease_ids, leaving=leaving)
        orders = self._live.refresh_leases(name, lease_ids, running)
        drain = worker is not None and worker.draining
        return HeartbeatAnswer(orders, self.heartbeat_s(), WorkerNotice(self._live.done, drain))

    def heartbeat_s(self) -> float:
        """Returns the interval for the present number of workers, which is counted once a second at most."""
        now_s = self._clock.monotonic_s()
        if now_s >= self._count_at_s:
            self._connected = sum(worker.connected for worker in self._live.workers.values())
            self._count_at_s = now_s + COUNT_EVERY_S
        return max(self._pace.heartbeat_s, self._connected / BEATS_PER_S)

    def mark_suspect(self, tx: Tx, name: WorkerName, leases: Sequence[Lease]) -> None:
        """Notes a silent worker and releases the claims that it has not started: those cost nothing."""
        events.append(tx, EventKind.WORKER_SUSPECT, worker=name)
        for lease in leases:
            if self._outcomes.release_undelivered(tx, lease, cause=f"worker {name} is silent"):
                tx.after_commit(partial(self._live.mark_unacknowledged, lease))

    def mark_lost(self, tx: Tx, name: WorkerName, leases: Sequence[Lease]) -> None:
        """Ends the leases of a worker that has been silent too long: by now it has ended its sessions by itself."""
        record = workers.find(tx, name)
        if record is not None and workers.set_left(tx, record.key):
            events.append(tx, EventKind.WORKER_LOST, worker=name)
            tx.after_commit(partial(self._live.remove_worker, name))
        for lease in leases:
            self._outcomes.mark_lost(tx, lease, cause=f"worker {name} was lost")

    def declare_gone(self, tx: Tx, name: WorkerName) -> Sequence[Lease]:
        """Ends the leases of a worker on an operator's word that nothing of it runs any more; returns the leases.

        A late outcome is treated like that of any lost lease.

        Raises:
            WorkerNotFound: no worker has that name.
            WorkerConnected: the worker is heard, so the word is wrong.
        """
        record = workers.find(tx, name)
        if record is None:
            raise WorkerNotFound(name)
        worker = self._live.workers.get(name)
        if worker is not None and worker.reachable:
            raise WorkerConnected(name)
        leases = attempts.open_of_worker(tx, record.key)
        if workers.set_left(tx, record.key):
            events.append(tx, EventKind.WORKER_LOST, worker=name, cause=FORGOTTEN)
        tx.after_commit(partial(self._live.remove_worker, name))
        for lease in leases:
            self._outcomes.mark_lost(tx, lease, cause=FORGOTTEN)
        return leases

    def forget(self, tx: Tx) -> None:
        """Marks workers as lost that have not come back since the start, and deletes those that left long ago."""
        for record in workers.list_all(tx):
            known = record.left or record.identity.name in self._live.workers
            if not known and not attempts.open_count(tx, record.key) and workers.set_left(tx, record.key):
                events.append(tx, EventKind.WORKER_LOST, worker=record.identity.name)
        workers.delete_left(tx, before_us=tx.now_us - FORGET_AFTER_US)

    def _end_missing(self, tx: Tx, key: WorkerKey, name: WorkerName, held: Sequence[str]) -> None:
        """Ends the open attempts of the worker whose leases it does not list: it has no process of theirs."""
        for lease in attempts.open_of_worker(tx, key):
            if not any(_lease_id_if_true(text, lease) for text in held):
                self._outcomes.mark_lost(tx, lease, cause=f"worker {name} no longer has the session")

    def _mark_heard(self, worker: ConnectedWorker, lease_ids: Sequence[str], *, leaving: bool) -> None:
        was_silent = self._live.acknowledges(worker, lease_ids) or worker.suspect
        self._observer.heartbeat(self._clock.monotonic_s() - worker.heard_s)
        self._live.mark_heard(worker)
        worker.leaving = leaving
        if was_silent:
            # It got no task while it was silent.
            self._dispatcher.mark_free(worker)
            self._request_dispatch()

    def _refuse_duplicate(self, tx: Tx, record: WorkerRecord, identity: WorkerIdentity) -> None:
        """Refuses a name that another machine uses, unless no process of that machine can be alive."""
        if record.identity.instance == identity.instance or record.left:
            return
        worker = self._live.workers.get(identity.name)
        connected = worker is not None and worker.connected
        if connected or attempts.open_count(tx, record.key):
            raise WorkerNameTaken(identity.name, record.identity.host, record.identity.pid)

    def _register(self, worker: ConnectedWorker, held: Sequence[str]) -> None:
        old = self._live.workers.get(worker.identity.name)
        self._live.add_worker(worker)
        # Since the commit, the end of a lease may have marked the replaced stream as free.
        self._dispatcher.mark_free(worker)
        self._request_dispatch()
        if old is not None and old.mailbox is not worker.mailbox:
            old.mailbox.close(StreamReplaced(worker.identity.name))
        for order in self._live.refresh_leases(worker.identity.name, held):
            worker.mailbox.add_order(order)


def _refuse_outdated(record: WorkerRecord, identity: WorkerIdentity) -> None:
    """Refuses an older request: its list of held leases says nothing about later claims."""
    known = record.identity
    if known.instance == identity.instance and 0 < identity.opening <= known.opening:
        raise StreamReplaced(identity.name)


def _target_key(tx: Tx, identity: WorkerIdentity) -> TargetKey | None:
    return landings.target_key(tx, identity.repository, identity.target) if makes_clones(identity) else None


def _lease_id_if_true(text: str, lease: Lease) -> LeaseId | None:
    """Returns the lease id if it proves the lease."""
    ref = parse_lease_id(text)
    return LeaseId(text) if ref is not None and ref.proves(lease) else None
