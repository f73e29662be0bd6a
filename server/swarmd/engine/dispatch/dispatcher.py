"""Assigns ready tasks to workers with free slots, in the transaction that made the task ready or the slot free.

`assign_ready_tasks` runs at the end of every group of writes: an import, a finished attempt, a registered worker, a
backoff that is over. So nothing polls, and the claim of a dependent shares the commit of the outcome before it.
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
from swarmd.engine.tasks.transitions import apply
from swarmd.store import attempts, swarm, tasks
from swarmd.store.events import EventKind
from swarmd.store.reads import views
from swarmd.store.task_records import Offer
from swarmd.store.transaction import Tx


class Dispatcher:
    """The matcher of ready tasks and workers. Runs on the writer thread.

    The workers that may have a free slot are kept in memory as a hint; the store has the count of open leases.
    """

    def __init__(
        self,
        live: LiveState,
        entropy: Entropy,
        *,
        on_undeliverable: Callable[[Lease], None],
        observer: Observer,
    ) -> None:
        """`on_undeliverable` is called on the event loop with a claim whose stream closed before it was sent."""
        self._live = live
        self._on_undeliverable = on_undeliverable
        self._entropy = entropy
        self._observer = observer
        self._maybe_free: dict[WorkerName, ConnectedWorker] = {}
        self._label_sets: Mapping[int, Mapping[str, str]] = {}
        self._newest_label_set = -1

    def mark_free(self, worker: ConnectedWorker) -> None:
        """Notes that the worker may have a free slot. Safe to call twice; without a call the worker stays idle."""
        self._maybe_free[worker.identity.name] = worker

    def mark_free_by_name(self, name: WorkerName) -> None:
        """Calls `mark_free` if a worker of that name is registered."""
        if (worker := self._live.workers.get(name)) is not None:
            self._maybe_free[name] = worker

    def assign_ready_tasks(self, tx: Tx) -> None:
        """Claims ready tasks for free slots, one per worker in turn, so that the tasks spread over workers."""
        if not self._maybe_free:
            return
        offer = tasks.offer(tx)
        if offer.mode is not SwarmMode.RUNNING or not (ready := offer.ready_label_sets):
            return
        self._load_label_sets(tx, offer)
        queue = ReadyQueue(tx, ready, workers=len(self._maybe_free))
        matches = list(self._match(queue, _FreeSlots(tx), offer.paused_runners))
        for attempt, (worker, task) in enumerate(matches, offer.last_attempt + 1):
            self._claim(tx, worker, task, AttemptKey(attempt), epoch=offer.epoch)

    def _match(
        self, queue: ReadyQueue, slots: "_FreeSlots", paused_runners: Container[str]
    ) -> Iterator[tuple[ConnectedWorker, Task]]:
        """Yields the pairs of worker and task. It only reads, so that all claims are written together."""
        turn = deque(self._maybe_free.values())
        while turn and queue.ready:
            worker = turn.popleft()
            if not worker.takes_claims:
                self._maybe_free.pop(worker.identity.name, None)
                continue
            if worker.identity.name in self._live.provider_holds:
                continue
            if _is_paused(worker, paused_runners) or not (
                fit := self._fitting_label_sets(worker, queue.ready)
            ):
                continue
            if (free := slots.count(worker)) <= 0:
                self._maybe_free.pop(worker.identity.name, None)
            elif (task := queue.pop(fit, free=free)) is not None:
                slots.use_one(worker)
                yield worker, task
                turn.append(worker)

    def fits(self, worker: ConnectedWorker, labels: Mapping[str, str]) -> bool:
        """Returns whether the worker has every label that is asked for."""
        return labels.items() <= worker.identity.labels.items()

    def _load_label_sets(self, tx: Tx, offer: Offer) -> None:
        if offer.newest_label_set != self._newest_label_set:
            self._label_sets, self._newest_label_set = swarm.label_sets(tx), offer.newest_label_set

    def _fitting_label_sets(self, worker: ConnectedWorker, ready: set[int]) -> Sequence[int]:
        """Returns the ready label sets that the worker fits. Called for every idle worker, so it reads no store."""
        found = []
        for label_set in sorted(ready):
            labels = self._label_sets.get(label_set, {})
            if self.fits(worker, labels) and not (worker.unacknowledged and self._another_fits(labels)):
                found.append(label_set)
        return found

    def _another_fits(self, labels: Mapping[str, str]) -> bool:
        """Returns whether a worker that acknowledges its messages fits such a task, with or without a free slot."""
        workers = list(self._live.workers.values())
        return any(
            other.takes_claims and not other.unacknowledged and self.fits(other, labels) for other in workers
        )

    def _claim(self, tx: Tx, worker: ConnectedWorker, task: Task, attempt: AttemptKey, *, epoch: int) -> None:
        number, secret = task.attempt + 1, self._entropy.secret()
        name = worker.identity.name
        lease = Lease(attempt, task.key, task.task_id, number, epoch, name, hash_secret(secret))
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
        apply(tx, task, Transition.CLAIM, EventKind.TASK_CLAIMED, worker=name, attempt=number)
        attempts.add(tx, lease, worker_key=worker.key)
        waited_s = seconds_since(task.ready_us, tx.now_us)
        tx.after_commit(partial(self._deliver, worker, lease, claim, waited_s))

    def _deliver(self, worker: ConnectedWorker, lease: Lease, claim: Claim, waited_s: float) -> None:
        self._observer.claimed(waited_s)
        self._live.open_lease(lease, claim.lease_id, claim.definition.on_disconnect)
        if worker.connected:
            worker.mailbox.add_claim(lease, claim)
        else:
            self._on_undeliverable(lease)


def _is_paused(worker: ConnectedWorker, paused_runners: Container[str]) -> bool:
    runner = worker.identity.runner
    return runner in paused_runners or swarm.pause_key(runner, worker.identity.name) in paused_runners


class _FreeSlots:
    """The free slots of workers, less those that this round has used."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._free: dict[WorkerName, int] = {}

    def count(self, worker: ConnectedWorker) -> int:
        """Returns the number of free slots of the worker."""
        name = worker.identity.name
        if name not in self._free:
            self._free[name] = worker.identity.slots - attempts.open_count(self._tx, worker.key)
        return self._free[name]

    def use_one(self, worker: ConnectedWorker) -> None:
        """Takes one free slot of the worker away."""
        self._free[worker.identity.name] -= 1
