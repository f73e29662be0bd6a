"""Exclusive names, small enough to explore whole: tasks that all need one name, which a few of them may share.

A claim, a go and an order are heard at once or never here; `model.protocol` has their messages. Invariant: every
change of a task's status goes through `advance`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from model.checker import Machine
from model.protocol import Violation
from swarmd.domain.lifecycle import LEASED, TaskStatus, Transition, advance
from swarmd.domain.model import OutcomeKind


@dataclass(frozen=True, slots=True)
class NameBounds:
    """The numbers of tasks and workers, how many may share the name, and how often each thing may happen."""

    tasks: int = 2
    workers: int = 2
    capacity: int = 1
    attempts: int = 2
    worker_crashes: int = 0
    server_crashes: int = 0
    silences: int = 0
    kills: int = 0
    reopenings: int = 0
    restores: int = 0


@dataclass(frozen=True, slots=True)
class NameRules:
    """The rules that keep a name exclusive. Each rule taken away is a mutant that the checker must catch."""

    checked_at_claim: bool = True  # nothing is claimed while the name is full
    counted_in_round: bool = True  # what a round has given away counts in the same round
    held_until_proof: bool = (
        True  # a task that is being killed keeps the name until its processes are proven dead
    )
    held_while_silent: bool = True  # so does a task of a silent worker, until the worker must have stopped it
    hold_is_durable: bool = True  # a restart of the server frees nothing
    freed_with_attempt: bool = True  # whatever ends the attempt frees the name
    freed_by_restore: bool = True  # and what a restored database does not know holds nothing


class NameLease(NamedTuple):
    """The right to one attempt."""

    epoch: int
    task: int
    number: int


class NameAttempt(NamedTuple):
    """An open attempt in the store."""

    lease: NameLease
    worker: int


class NameTask(NamedTuple):
    """A task in the store."""

    status: TaskStatus = TaskStatus.NOT_STARTED
    number: int = 0


class NameStore(NamedTuple):
    """The durable state of the server; `held` are the leases whose attempts hold the name."""

    tasks: tuple[NameTask, ...]
    attempts: frozenset[NameAttempt] = frozenset()
    held: frozenset[NameLease] = frozenset()
    epoch: int = 1


class NameWorker(NamedTuple):
    """A worker with one slot. A session outlives its worker until the guard has ended it."""

    up: bool = True
    silent: bool = False
    lease: NameLease | None = None
    session: NameLease | None = None
    outbox: frozenset[tuple[NameLease, OutcomeKind]] = frozenset()


class NameCounts(NamedTuple):
    """The number of times that each bounded thing has happened."""

    worker_crashes: int = 0
    server_crashes: int = 0
    silences: int = 0
    kills: int = 0
    reopenings: int = 0
    restores: int = 0


class NameState(NamedTuple):
    """The state of everything."""

    store: NameStore
    workers: tuple[NameWorker, ...]
    up: bool = True
    copy: NameStore | None = None
    counts: NameCounts = NameCounts()


NameStep = tuple[str, NameState]


def _begin(bounds: NameBounds) -> NameState:
    tasks = tuple(NameTask() for _ in range(bounds.tasks))
    return NameState(NameStore(tasks), tuple(NameWorker() for _ in range(bounds.workers)))


def _successors(state: NameState, bounds: NameBounds, rules: NameRules) -> Iterator[NameStep]:
    if state.up:
        yield from _claims(state, bounds, rules)
        yield from _ends(state, rules)
        yield from _operators(state, bounds, rules)
        if _may(state, bounds, "server_crashes"):
            held = state.store.held if rules.hold_is_durable else frozenset()
            crashed = state._replace(up=False, store=state.store._replace(held=held))
            yield "server crashes", _counted(crashed, "server_crashes")
    else:
        yield "server starts", state._replace(up=True)
    for index, worker in enumerate(state.workers):
        yield from _worker_steps(state, index, worker, bounds)


def _claims(state: NameState, bounds: NameBounds, rules: NameRules) -> Iterator[NameStep]:
    """Yields rounds of dispatch: of one claim, and of two in the same commit."""
    for index, task, after in _each_claim(state, bounds, len(state.store.held), rules):
        yield f"server claims {task} for worker {index}", after
        seen = len((after if rules.counted_in_round else state).store.held)
        for other, later, both in _each_claim(after, bounds, seen, rules):
            yield f"server claims {task} for worker {index} and {later} for worker {other}", both


def _each_claim(
    state: NameState, bounds: NameBounds, held: int, rules: NameRules
) -> Iterator[tuple[int, int, NameState]]:
    if held >= bounds.capacity and rules.checked_at_claim:
        return
    for index, worker in enumerate(state.workers):
        if not worker.up or worker.silent or worker.lease is not None or worker.session is not None:
            continue
        for task, row in enumerate(state.store.tasks):
            if row.status is TaskStatus.NOT_STARTED and row.number < bounds.attempts:
                lease = NameLease(state.store.epoch, task, row.number + 1)
                store = _moved(state.store, task, Transition.CLAIM, number=row.number + 1)
                store = store._replace(
                    attempts=store.attempts | {NameAttempt(lease, index)}, held=store.held | {lease}
                )
                claimed = _with_worker(state, index, worker._replace(lease=lease))
                yield index, task, claimed._replace(store=store)


def _ends(state: NameState, rules: NameRules) -> Iterator[NameStep]:
    """Yields the ends of attempts: by an outcome, by a loss, and by a claim that is taken back."""
    for index, worker in enumerate(state.workers):
        for lease, kind in worker.outbox:
            heard = worker._replace(outbox=worker.outbox - {(lease, kind)})
            store = _finish(state.store, lease, kind, rules)
            yield f"server hears {kind} of {lease}", _with_worker(state, index, heard)._replace(store=store)
    for attempt in state.store.attempts:
        status, worker = state.store.tasks[attempt.lease.task].status, state.workers[attempt.worker]
        if status is TaskStatus.CLAIMED and worker.lease != attempt.lease:
            released = _end(state.store, attempt, Transition.RELEASE, rules)
            yield f"server takes {attempt.lease} back", state._replace(store=released)
        elif status in LEASED and not _has(worker, attempt.lease):
            lost = Transition.FINISH_KILL if status is TaskStatus.KILLING else Transition.RETRY
            store = _end(state.store, attempt, lost, rules)
            yield f"server gives {attempt.lease} up", state._replace(store=store)
        elif worker.silent and not rules.held_while_silent:
            early = state.store._replace(held=state.store.held - {attempt.lease})
            yield f"server suspects worker {attempt.worker}", state._replace(store=early)


def _has(worker: NameWorker, lease: NameLease) -> bool:
    """Returns whether the worker works on the lease, or has a result of it to send."""
    return lease in (worker.session, worker.lease) or any(lease == sent for sent, _ in worker.outbox)


def _finish(store: NameStore, lease: NameLease, kind: OutcomeKind, rules: NameRules) -> NameStore:
    attempt = next((found for found in store.attempts if found.lease == lease), None)
    if attempt is None:
        return store
    if store.tasks[lease.task].status is TaskStatus.KILLING:
        return _end(store, attempt, Transition.FINISH_KILL, rules)
    return _end(
        store, attempt, Transition.COMPLETE if kind is OutcomeKind.COMPLETED else Transition.RETRY, rules
    )


def _operators(state: NameState, bounds: NameBounds, rules: NameRules) -> Iterator[NameStep]:
    store = state.store
    for task, row in enumerate(store.tasks):
        if _may(state, bounds, "kills") and row.status not in (TaskStatus.COMPLETED, TaskStatus.KILLED):
            yield f"operator kills {task}", _counted(state._replace(store=_kill(store, task, rules)), "kills")
        if _may(state, bounds, "reopenings") and row.status is TaskStatus.KILLED:
            again = _moved(_moved(store, task, Transition.REOPEN), task, Transition.UNBLOCK)
            yield f"operator retries {task}", _counted(state._replace(store=again), "reopenings")
    if bounds.restores and state.copy is None:
        yield "operator makes a backup", state._replace(copy=store)
    if state.copy is not None and _may(state, bounds, "restores"):
        held = state.copy.held if rules.freed_by_restore else state.copy.held | store.held
        past = state.copy._replace(epoch=store.epoch + 1, held=held)
        yield "operator restores the backup", _counted(state._replace(store=past), "restores")


def _kill(store: NameStore, task: int, rules: NameRules) -> NameStore:
    attempt = next((found for found in store.attempts if found.lease.task == task), None)
    if attempt is None:
        return _moved(store, task, Transition.KILL)
    if store.tasks[task].status is TaskStatus.CLAIMED:
        return _end(store, attempt, Transition.KILL, rules)
    killing = _moved(store, task, Transition.KILL)
    return killing if rules.held_until_proof else killing._replace(held=killing.held - {attempt.lease})


def _worker_steps(state: NameState, index: int, worker: NameWorker, bounds: NameBounds) -> Iterator[NameStep]:
    lease, session = worker.lease, worker.session
    if lease is not None and session is None and worker.up and state.up:
        yield f"worker {index} asks for the go of {lease}", _go(state, index, worker, lease)
    if session is not None and worker.up and not worker.silent:
        for kind in (OutcomeKind.COMPLETED, OutcomeKind.FAILED):
            done = worker._replace(lease=None, session=None, outbox=worker.outbox | {(session, kind)})
            yield f"worker {index} ends {session}: {kind}", _with_worker(state, index, done)
    if _may(state, bounds, "silences") and worker.up and not worker.silent and session is not None:
        quiet = _with_worker(state, index, worker._replace(silent=True))
        yield f"worker {index} is cut off", _counted(quiet, "silences")
    if worker.silent:
        fenced = worker._replace(silent=False, lease=None, session=None)
        yield f"worker {index} fences itself", _with_worker(state, index, fenced)
    if _may(state, bounds, "worker_crashes") and worker.up:
        crashed = _with_worker(state, index, worker._replace(up=False, lease=None))
        yield f"worker {index} crashes", _counted(crashed, "worker_crashes")
    if not worker.up and session is not None:
        yield (
            f"the guard of worker {index} ends {session}",
            _with_worker(state, index, worker._replace(session=None)),
        )
    if not worker.up and session is None:
        yield (
            f"worker {index} starts again",
            _with_worker(state, index, worker._replace(up=True, silent=False)),
        )


def _go(state: NameState, index: int, worker: NameWorker, lease: NameLease) -> NameState:
    """Starts a session, or gives the lease back if the server no longer knows it."""
    if NameAttempt(lease, index) not in state.store.attempts:
        return _with_worker(state, index, worker._replace(lease=None))
    started = _with_worker(state, index, worker._replace(session=lease))
    return started._replace(store=_moved(state.store, lease.task, Transition.GO))


def _end(store: NameStore, attempt: NameAttempt, transition: Transition, rules: NameRules) -> NameStore:
    held = store.held - {attempt.lease} if rules.freed_with_attempt else store.held
    ended = store._replace(attempts=store.attempts - {attempt}, held=held)
    return _moved(ended, attempt.lease.task, transition)


def _moved(store: NameStore, task: int, transition: Transition, *, number: int | None = None) -> NameStore:
    row = store.tasks[task]
    status = advance(f"t{task}", row.status, transition)
    changed = NameTask(status, row.number if number is None else number)
    return store._replace(tasks=(*store.tasks[:task], changed, *store.tasks[task + 1 :]))


def _with_worker(state: NameState, index: int, worker: NameWorker) -> NameState:
    return state._replace(workers=(*state.workers[:index], worker, *state.workers[index + 1 :]))


def _counted(state: NameState, name: str) -> NameState:
    return state._replace(counts=state.counts._replace(**{name: getattr(state.counts, name) + 1}))


def _may(state: NameState, bounds: NameBounds, name: str) -> bool:
    return bool(getattr(state.counts, name) < getattr(bounds, name))


def _check_state(state: NameState, bounds: NameBounds) -> None:
    """Checks one state.

    Raises:
        Violation: the state breaks an invariant.
    """
    still_open = {attempt.lease for attempt in state.store.attempts}
    if len(still_open) > bounds.capacity:
        raise Violation(f"N1: {len(still_open)} attempts share a name of {bounds.capacity}")
    if leaked := state.store.held - still_open:
        raise Violation(f"N3: the name is held by {min(leaked)}, which has ended")
    live = [worker.session for worker in state.workers if worker.session is not None]
    # A restored past can't know the sessions of its future.
    if len(live) > bounds.capacity and not state.counts.restores:
        raise Violation(f"N2: {len(live)} live sessions share a name of {bounds.capacity}")


def _check_step(_before: NameState, _after: NameState, _bounds: NameBounds) -> None:
    """Every invariant is one of states."""


NAMES: Final = Machine(_begin, _successors, _check_state, _check_step)
SMALL_NAMES: Final = {
    "crashes of both": NameBounds(worker_crashes=1, server_crashes=1, silences=1),
    "kills and reopenings": NameBounds(kills=2, reopenings=1, silences=1, server_crashes=1),
    "a name for two": NameBounds(tasks=3, workers=3, capacity=2, attempts=1, kills=1, silences=1),
    "backup and restore": NameBounds(restores=1),
}
# For each rule the bounds in which its absence shows.
SHOWS_NAMES: Final = {
    "checked_at_claim": NameBounds(),
    "counted_in_round": NameBounds(),
    "held_until_proof": NameBounds(kills=1),
    "held_while_silent": NameBounds(silences=1),
    "hold_is_durable": NameBounds(server_crashes=1),
    "freed_with_attempt": NameBounds(),
    "freed_by_restore": NameBounds(restores=1),
}
