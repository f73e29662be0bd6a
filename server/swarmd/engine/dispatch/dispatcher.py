"""Assigns ready tasks to workers with free slots, in the transaction that made the task ready or the slot free.

`assign_ready_tasks` runs at the end of every group of writes: an import, a finished attempt, a registered worker, a
backoff that is over. So nothing polls, and the claim of a dependent shares the commit of the outcome before it.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from swarmd.domain.claim import Claim
from swarmd.domain.lease_ids import hash_secret, make_lease_id
from swarmd.domain.lifecycle import Transition
from swarmd.domain.model import (
    AttemptKey,
    Lease,
    SwarmMode,
    WorkerName,
)
from swarmd.domain.placement import fits, runs_in_clone
from swarmd.domain.shared_budget import BudgetKind, account_of
from swarmd.engine.dispatch.exclusion import Admission, Exclusion
from swarmd.engine.dispatch.funds import Funds
from swarmd.engine.dispatch.ready_queue import ReadyQueue
from swarmd.engine.dispatch.starting import clone_start, open_attempt, start_of
from swarmd.engine.live.state import ConnectedWorker, LiveState
from swarmd.engine.observer import Observer, seconds_since
from swarmd.engine.ports import Entropy
from swarmd.engine.tasks.transitions import apply
from swarmd.store import attempts, events, exclusive_names, holds, runner_pauses, swarm, tasks
from swarmd.store.events import EventKind
from swarmd.store.reads import views
from swarmd.store.shared_budgets import wait_key
from swarmd.store.task_records import Offer, ReadyGroup, RunnerGate
from swarmd.store.transaction import Tx

# The latest answers of people that go with a claim.
MAX_ANSWERS: Final = 50


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
        on_unfinished: Callable[[], None],
        observer: Observer,
        exclusive_files: bool = False,
    ) -> None:
        """`on_undeliverable` is called on the event loop with a claim whose stream closed before it was sent.

        `on_unfinished` is called there after a round that left claims to another one. With `exclusive_files`, tasks
        whose files overlap never run at once, also in clones.
        """
        self._live = live
        self._on_undeliverable = on_undeliverable
        self._on_unfinished = on_unfinished
        self.exclusive_files = exclusive_files
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
        if offer.mode is not SwarmMode.RUNNING or not offer.ready:
            return
        self._load_label_sets(tx, offer)
        queue = ReadyQueue(tx, offer.ready, workers=len(self._maybe_free))
        exclusion = Exclusion(tx, exclusive_files=self.exclusive_files)
        funds = Funds(tx, shared=offer.budgets)
        matches = list(self._match(queue, _Round(exclusion, funds), _FreeSlots(tx), offer.gates))
        for attempt, (worker, admission) in enumerate(matches, offer.last_attempt + 1):
            self._claim(tx, worker, admission, AttemptKey(attempt), epoch=offer.epoch)
            for gate in _gates_of(worker, offer.gates):
                _record_probe(tx, gate, worker, admission, AttemptKey(attempt))
        for wait in exclusion.waits:
            exclusive_names.wait(tx, wait.key, wait.name)
        funds.write(tx)
        if exclusion.exhausted or funds.exhausted:
            tx.after_commit(self._on_unfinished)

    def _match(
        self, queue: ReadyQueue, rules: "_Round", slots: "_FreeSlots", gates: Sequence[RunnerGate]
    ) -> Iterator[tuple[ConnectedWorker, Admission]]:
        """Yields the pairs of worker and task. It only reads, so that all claims are written together."""
        turn = deque(self._maybe_free.values())
        closed = {gate.key for gate in gates if not gate.admits_one}
        while turn and queue.ready and not rules.exhausted:
            worker = turn.popleft()
            if not worker.takes_claims:
                self._maybe_free.pop(worker.identity.name, None)
                continue
            if worker.identity.name in self._live.provider_holds or not rules.funds.pays_for(worker.identity):
                continue
            passed = {gate.key for gate in _gates_of(worker, gates)}
            if not passed.isdisjoint(closed) or not (fit := self._fitting_groups(worker, queue.ready)):
                continue
            if (free := slots.count(worker)) <= 0:
                self._maybe_free.pop(worker.identity.name, None)
            elif (admission := _next_admitted(queue, rules, worker, fit, free=free)) is not None:
                slots.use_one(worker)
                closed |= passed
                yield worker, admission
                turn.append(worker)

    def _load_label_sets(self, tx: Tx, offer: Offer) -> None:
        if offer.newest_label_set != self._newest_label_set:
            self._label_sets, self._newest_label_set = swarm.label_sets(tx), offer.newest_label_set

    def _fitting_groups(self, worker: ConnectedWorker, ready: Collection[ReadyGroup]) -> Sequence[ReadyGroup]:
        """Returns the ready groups that the worker fits. Called for every idle worker, so it reads no store."""
        fitting = {label_set: self._may_have(worker, label_set) for label_set in {g.label_set for g in ready}}
        return [group for group in sorted(ready) if fitting[group.label_set]]

    def _may_have(self, worker: ConnectedWorker, label_set: int) -> bool:
        demanded = self._label_sets.get(label_set, {})
        return fits(worker.identity, demanded) and not (
            worker.unacknowledged and self._another_fits(demanded)
        )

    def _another_fits(self, labels: Mapping[str, str]) -> bool:
        """Returns whether a worker that acknowledges its messages fits such a task, with or without a free slot."""
        workers = list(self._live.workers.values())
        return any(
            other.takes_claims and not other.unacknowledged and fits(other.identity, labels)
            for other in workers
        )

    def _claim(
        self, tx: Tx, worker: ConnectedWorker, admission: Admission, attempt: AttemptKey, *, epoch: int
    ) -> None:
        task = admission.task
        number, secret = task.attempt + 1, self._entropy.secret()
        name = worker.identity.name
        lease = Lease(attempt, task.key, task.task_id, number, epoch, name, hash_secret(secret))
        definition = admission.definition or views.claimed_definition(tx, task)
        start, work, work_report = start_of(tx, task)
        target_key = worker.target_key if runs_in_clone(definition, worker.identity) else None
        clone = None if target_key is None else clone_start(tx, task, target_key, epoch=epoch)
        claim = Claim(
            definition=definition,
            lease_id=make_lease_id(epoch=epoch, task_key=task.key, number=number, secret=secret),
            number=number,
            epoch=epoch,
            previous_report=attempts.last_report(tx, task.key) if number > 1 else None,
            last_error=task.last_error,
            dependency_results=attempts.dependency_results(tx, task.key) if definition.dependencies else (),
            answers=holds.answered(tx, task.key, limit=MAX_ANSWERS) if admission.told else (),
            notes=holds.notes(tx, task.key) if admission.told else (),
            rejections=holds.rejections(tx, task.key, limit=MAX_ANSWERS) if admission.told else (),
            clone=clone,
            work=work,
            work_report=work_report,
            starts_at=start,
            creation=task.creation,
        )
        apply(tx, task, Transition.CLAIM, EventKind.TASK_CLAIMED, worker=name, attempt=number)
        account = account_of(worker.identity)
        open_attempt(tx, claim, lease, worker.key, target_key, account=account, reserved=admission.reserved)
        exclusive_names.hold(tx, attempt, admission.names)
        waited_s = seconds_since(task.ready_us, tx.now_us)
        tx.after_commit(partial(self._deliver, worker, lease, claim, waited_s))

    def _deliver(self, worker: ConnectedWorker, lease: Lease, claim: Claim, waited_s: float) -> None:
        self._observer.claimed(waited_s)
        self._live.open_lease(lease, claim.lease_id, claim.definition.on_disconnect)
        if worker.connected:
            worker.mailbox.add_claim(lease, claim)
        else:
            self._on_undeliverable(lease)


class _Round(NamedTuple):
    """The checks of a round of assignment before each claim."""

    exclusion: Exclusion
    funds: Funds

    @property
    def exhausted(self) -> bool:
        """Returns whether the rest is left to another round."""
        return self.exclusion.exhausted or self.funds.exhausted


def _next_admitted(
    queue: ReadyQueue, rules: _Round, worker: ConnectedWorker, fit: Sequence[ReadyGroup], *, free: int
) -> Admission | None:
    """Pops tasks for the worker until one may be claimed; puts those aside that have to wait for a name.

    A task that may spend nothing more is not claimed: the round holds it. One for which a budget that it shares has no
    room waits for that.
    """
    exclusion = rules.exclusion
    while not rules.exhausted and (found := queue.pop(fit, free=free)) is not None:
        if not rules.funds.admit(found.task):
            continue
        if (lacking := rules.funds.lacking(found.task, worker.identity)) is not None:
            if lacking.kind is not BudgetKind.PLAN:
                queue.put_back(found)  # another account may pay for it
                return None
            if found.wait_key == wait_key(lacking.key):
                queue.close(found.wait_key)
            else:
                rules.funds.put_aside(found, lacking)
            continue
        admitted = exclusion.admit(found, worker.identity)
        if isinstance(admitted, Admission):
            return admitted._replace(reserved=rules.funds.reserve(found.task, worker.identity))
        if found.wait_key and found.wait_key == admitted.key:
            queue.close(found.wait_key)
        else:
            exclusion.put_aside(found, admitted)
    return None


def _gates_of(worker: ConnectedWorker, gates: Sequence[RunnerGate]) -> Sequence[RunnerGate]:
    return [gate for gate in gates if gate.covers(worker.identity)]


def _record_probe(
    tx: Tx, gate: RunnerGate, worker: ConnectedWorker, admission: Admission, attempt: AttemptKey
) -> None:
    """Notes the attempt that finds out whether the fault is gone for which the runner is paused."""
    runner_pauses.set_probe(tx, gate.key, attempt)
    task_id, name = admission.task.task_id, worker.identity.name
    cause = f"{gate.runner}: one task is tried"
    events.append(tx, EventKind.RUNNER_PROBED, task_id=task_id, worker=name, cause=cause)


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
