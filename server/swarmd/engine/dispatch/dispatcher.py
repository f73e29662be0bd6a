"""Gives ready tasks to workers with free slots, inside the very transaction that made either.

`grant` runs at the end of every group of writes, whatever they were: an import, a finished attempt, a worker
that joined, a backoff that has passed. So nothing polls, and a dependent's claim shares the commit of the
outcome that it waited for.
"""

from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import partial

from swarmd.domain.lease_ids import hash_secret, make_lease_id
from swarmd.domain.lifecycle import Transition
from swarmd.domain.model import AttemptKey, Claim, Lease, SwarmMode, Task, WorkerName
from swarmd.engine.dispatch.ready_queue import ReadyQueue
from swarmd.engine.live.state import ConnectedWorker, LiveState
from swarmd.engine.observer import Observer, seconds_since
from swarmd.engine.ports import Entropy
from swarmd.engine.tasks.transitions import change
from swarmd.store import attempts, swarm, tasks
from swarmd.store.events import EventKind
from swarmd.store.reads import views
from swarmd.store.task_records import Offer
from swarmd.store.transaction import Tx


class Dispatcher:
    """Runs on the writer thread; `members` is a hint of who may have room, the store has the truth."""

    def __init__(
        self, live: LiveState, entropy: Entropy, *, stranded: Callable[[Lease], None], observer: Observer
    ) -> None:
        """`stranded` is told, on the event loop, of a claim whose stream closed before it could be sent."""
        self._live = live
        self._stranded = stranded
        self._entropy = entropy
        self._observer = observer
        self._hungry: dict[WorkerName, ConnectedWorker] = {}
        self._label_sets: Mapping[int, Mapping[str, str]] = {}
        self._newest_label_set = -1

    def feed(self, member: ConnectedWorker) -> None:
        """The worker may have a free slot. Said once too often does no harm; not said, it idles."""
        self._hungry[member.identity.name] = member

    def feed_worker(self, name: WorkerName) -> None:
        """The same for a worker that may not be connected."""
        if (member := self._live.members.get(name)) is not None:
            self._hungry[name] = member

    def grant(self, tx: Tx) -> None:
        """Claims as much as there are ready tasks and free slots for; one a worker in turn, so that they spread."""
        if not self._hungry:
            return
        offer = tasks.offer(tx)
        if offer.mode is not SwarmMode.RUNNING or not (ready := offer.ready_label_sets):
            return
        self._learn_labels(tx, offer)
        line = ReadyQueue(tx, ready, workers=len(self._hungry))
        matches = list(self._match(line, _Room(tx), offer.paused_runners))
        for attempt, (member, task) in enumerate(matches, offer.last_attempt + 1):
            self._claim(tx, member, task, AttemptKey(attempt), epoch=offer.epoch)

    def _match(
        self, line: ReadyQueue, room: "_Room", paused_runners: Container[str]
    ) -> Iterator[tuple[ConnectedWorker, Task]]:
        """Who gets what. Only reads, so that all claims may be written together."""
        turn = deque(self._hungry.values())
        while turn and line.ready:
            member = turn.popleft()
            if not member.takes_claims:
                self._hungry.pop(member.identity.name, None)
                continue
            if member.identity.runner in paused_runners or not (fit := self._may_have(member, line.ready)):
                continue
            if (free := room.of(member)) <= 0:
                self._hungry.pop(member.identity.name, None)
            elif (task := line.take(fit, free=free)) is not None:
                room.less(member)
                yield member, task
                turn.append(member)

    def fits(self, member: ConnectedWorker, labels: Mapping[str, str]) -> bool:
        """Whether the worker has every label that is asked for."""
        return labels.items() <= member.identity.labels.items()

    def _learn_labels(self, tx: Tx, offer: Offer) -> None:
        if offer.newest_label_set != self._newest_label_set:
            self._label_sets, self._newest_label_set = swarm.label_sets(tx), offer.newest_label_set

    def _may_have(self, member: ConnectedWorker, ready: set[int]) -> Sequence[int]:
        """The label sets of which the worker may have a task; asked of every idle worker, so without the store."""
        found = []
        for label_set in sorted(ready):
            labels = self._label_sets.get(label_set, {})
            if self.fits(member, labels) and not (member.unanswered and self._others(labels)):
                found.append(label_set)
        return found

    def _others(self, labels: Mapping[str, str]) -> bool:
        """Whether some worker that is known to hear may have such a task, now or when it has room."""
        members = list(self._live.members.values())
        return any(
            other.takes_claims and not other.unanswered and self.fits(other, labels) for other in members
        )

    def _claim(self, tx: Tx, member: ConnectedWorker, task: Task, attempt: AttemptKey, *, epoch: int) -> None:
        number, secret = task.attempt + 1, self._entropy.secret()
        worker = member.identity.name
        lease = Lease(attempt, task.key, task.task_id, number, epoch, worker, hash_secret(secret))
        definition = views.definition(tx, task.key)
        claim = Claim(
            definition=definition,
            lease_id=make_lease_id(epoch=epoch, task_key=task.key, number=number, secret=secret),
            number=number,
            epoch=epoch,
            previous_report=attempts.last_report(tx, task.key) if number > 1 else None,
            last_error=task.last_error,
            dependency_results=attempts.dependency_results(tx, task.key) if definition.dependencies else (),
        )
        change(tx, task, Transition.CLAIM, EventKind.TASK_CLAIMED, worker=worker, attempt=number)
        attempts.add(tx, lease, worker_key=member.key)
        waited_s = seconds_since(task.ready_us, tx.now_us)
        tx.after_commit(partial(self._deliver, member, lease, claim, waited_s))

    def _deliver(self, member: ConnectedWorker, lease: Lease, claim: Claim, waited_s: float) -> None:
        self._observer.claimed(waited_s)
        self._live.open_lease(lease, claim.lease_id, claim.definition.on_disconnect)
        if member.connected:
            member.mailbox.claim(lease, claim)
        else:
            self._stranded(lease)


class _Room:
    """The free slots of those workers that it was asked about, less what they are given meanwhile."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._free: dict[WorkerName, int] = {}

    def of(self, member: ConnectedWorker) -> int:
        """The free slots of the worker."""
        name = member.identity.name
        if name not in self._free:
            self._free[name] = member.identity.slots - attempts.open_count(self._tx, member.key)
        return self._free[name]

    def less(self, member: ConnectedWorker) -> None:
        """One of them has been given a task."""
        self._free[member.identity.name] -= 1
