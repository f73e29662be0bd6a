"""A budget that tasks share, small enough to explore whole: claims reserve, sessions spend, a person raises it.

A claim, a go and an order are heard at once or never here; `model.protocol` has their messages. A session spends one
unit at most between two beats of its worker. Invariant: every change of a task's status goes through `advance`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from model.checker import Machine
from model.protocol import Violation
from swarmd.domain.lifecycle import TaskStatus, Transition, advance


@dataclass(frozen=True, slots=True)
class FundBounds:
    """The numbers of tasks and workers, the cap and the need of an attempt in units, and the limits of all else."""

    tasks: int = 2
    workers: int = 2
    cap: int = 2
    need: int = 1
    attempts: int = 2
    # What a session may spend in all.
    spends: int = 3
    worker_crashes: int = 0
    server_crashes: int = 0
    raises: int = 0


@dataclass(frozen=True, slots=True)
class FundRules:
    """The rules that keep a shared budget. Each rule taken away is a mutant that the checker must catch."""

    room_at_claim: bool = True  # an attempt is claimed only if what it may need is left
    counted_in_round: bool = True  # what a round has reserved counts in the same round
    freed_with_attempt: bool = True  # whatever ends the attempt ends its reservation
    reserved_is_durable: bool = True  # a restart of the server forgets no reservation
    counted_once: bool = True  # a report that comes again adds nothing
    all_are_ordered: bool = True  # a report that passes the cap ends every session of the budget
    order_outlives_restart: bool = True  # and they are ordered again after a restart
    go_needs_money: bool = True  # no session starts when nothing is left
    hold_is_durable: bool = True  # a restart of the server frees no held task
    raise_frees: bool = True  # what was held for the budget goes on when a person has raised it


class FundAttempt(NamedTuple):
    """An attempt in the store, with what its sessions have reported; it is open unless `ended`."""

    task: int
    number: int
    worker: int
    reserved: int
    reported: int = 0
    over: bool = False
    ended: bool = False

    @property
    def name(self) -> tuple[int, int]:
        """The task and the number."""
        return self.task, self.number


class FundWorker(NamedTuple):
    """A worker with one slot. A session outlives its worker until the guard has ended it."""

    up: bool = True
    claim: tuple[int, int] | None = None
    session: tuple[int, int] | None = None
    spent: int = 0
    # It has spent since the last beat.
    silent: bool = False
    # The last report was sent, and may be heard again.
    said: tuple[tuple[int, int], int] | None = None


class FundStore(NamedTuple):
    """The durable state of the server. `leaked` are reservations whose attempt has ended."""

    statuses: tuple[TaskStatus, ...]
    attempts: tuple[FundAttempt, ...] = ()
    added: int = 0
    # What was counted twice.
    twice: int = 0
    leaked: int = 0

    @property
    def spent(self) -> int:
        """The units that sessions have reported."""
        return sum(found.reported for found in self.attempts) + self.twice

    @property
    def reserved(self) -> int:
        """The units that open attempts may still need."""
        rest = (max(0, found.reserved - found.reported) for found in self.attempts if not found.ended)
        return sum(rest) + self.leaked


class FundCounts(NamedTuple):
    """The number of times that each bounded thing has happened."""

    worker_crashes: int = 0
    server_crashes: int = 0
    raises: int = 0


class FundState(NamedTuple):
    """The state of everything. `held` are the tasks that nobody has freed: a ghost."""

    store: FundStore
    workers: tuple[FundWorker, ...]
    up: bool = True
    # The attempts whose order to end stands in memory.
    ordered: frozenset[tuple[int, int]] = frozenset()
    counts: FundCounts = FundCounts()
    # What sessions have spent, heard or not, and the units that claims had reserved without room.
    truly_spent: int = 0
    held: frozenset[int] = frozenset()


FundStep = tuple[str, FundState]


def _begin(bounds: FundBounds) -> FundState:
    statuses = (TaskStatus.NOT_STARTED,) * bounds.tasks
    return FundState(FundStore(statuses), tuple(FundWorker() for _ in range(bounds.workers)))


def _successors(state: FundState, bounds: FundBounds, rules: FundRules) -> Iterator[FundStep]:
    if state.up:
        yield from _claims(state, bounds, rules)
        if state.counts.raises < bounds.raises:
            yield "a person raises the budget", _raised(state, rules)
        if state.counts.server_crashes < bounds.server_crashes:
            counts = state.counts._replace(server_crashes=state.counts.server_crashes + 1)
            yield "server crashes", state._replace(up=False, ordered=frozenset(), counts=counts)
    else:
        yield "server starts", _boot(state, rules)
    for index, worker in enumerate(state.workers):
        yield from _worker_steps(state, index, worker, bounds, rules)


def _claims(state: FundState, bounds: FundBounds, rules: FundRules) -> Iterator[FundStep]:
    """Yields rounds of dispatch: of one claim, and of two in the same commit."""
    for index, task, after in _each_claim(state, bounds, state.store, rules):
        yield f"server claims {task} for worker {index}", after
        seen = after.store if rules.counted_in_round else state.store
        for other, later, both in _each_claim(after, bounds, seen, rules):
            yield f"server claims {task} for worker {index} and {later} for worker {other}", both


def _each_claim(
    state: FundState, bounds: FundBounds, seen: FundStore, rules: FundRules
) -> Iterator[tuple[int, int, FundState]]:
    room = bounds.cap + seen.added - seen.spent - seen.reserved
    if room < bounds.need and rules.room_at_claim:
        return
    for index, worker in enumerate(state.workers):
        if not worker.up or worker.claim is not None or worker.session is not None:
            continue
        for task, status in enumerate(state.store.statuses):
            number = 1 + sum(found.task == task for found in state.store.attempts)
            if status is not TaskStatus.NOT_STARTED or number > bounds.attempts:
                continue
            attempt = FundAttempt(task, number, index, bounds.need)
            store = _moved(state.store, task, Transition.CLAIM)
            store = store._replace(attempts=(*store.attempts, attempt))
            claimed = _with_worker(state, index, worker._replace(claim=attempt.name, silent=False))
            yield index, task, claimed._replace(store=store)


def _raised(state: FundState, rules: FundRules) -> FundState:
    counts = state.counts._replace(raises=state.counts.raises + 1)
    store = state.store._replace(added=state.store.added + 1)
    for task, status in enumerate(store.statuses):
        if status is TaskStatus.HELD and rules.raise_frees:
            store = _moved(store, task, Transition.UNHOLD)
    return state._replace(store=store, counts=counts, held=frozenset())


def _boot(state: FundState, rules: FundRules) -> FundState:
    store = state.store
    if not rules.reserved_is_durable:
        store = store._replace(attempts=tuple(found._replace(reserved=0) for found in store.attempts))
    for task, status in enumerate(store.statuses):
        if status is TaskStatus.HELD and not rules.hold_is_durable:
            store = _moved(store, task, Transition.UNHOLD)
    over = frozenset(found.name for found in store.attempts if found.over and not found.ended)
    return state._replace(up=True, store=store, ordered=over if rules.order_outlives_restart else frozenset())


def _worker_steps(
    state: FundState, index: int, worker: FundWorker, bounds: FundBounds, rules: FundRules
) -> Iterator[FundStep]:
    session = worker.session
    if worker.claim is not None and session is None and worker.up and state.up:
        yield f"worker {index} asks for the go", _go(state, index, worker, bounds, rules)
    if session is not None and not worker.silent and worker.spent < bounds.spends:
        spent = _with_worker(state, index, worker._replace(spent=worker.spent + 1, silent=True))
        yield f"the session of worker {index} spends", spent._replace(truly_spent=state.truly_spent + 1)
    if session is not None and worker.up and state.up:
        yield f"worker {index} beats", _beat(state, index, worker, bounds, rules)
        yield f"worker {index} ends its session", _ended(state, index, worker, bounds, rules)
    if worker.said is not None and state.up:
        name, units = worker.said
        told = _with_worker(state, index, worker._replace(said=None))
        yield (
            f"server hears the last report of worker {index} again",
            _heard(told, name, units, bounds, rules),
        )
    if state.counts.worker_crashes < bounds.worker_crashes and worker.up:
        counts = state.counts._replace(worker_crashes=state.counts.worker_crashes + 1)
        gone = _with_worker(state, index, worker._replace(up=False, claim=None))
        yield f"worker {index} crashes", gone._replace(counts=counts)
    if not worker.up and session is not None:
        guarded = _with_worker(state, index, worker._replace(session=None, spent=0, silent=False))
        yield f"the guard of worker {index} ends the session", guarded
    if not worker.up and session is None and state.up:
        yield f"worker {index} starts again", _rejoined(state, index, worker, rules)


def _go(state: FundState, index: int, worker: FundWorker, bounds: FundBounds, rules: FundRules) -> FundState:
    """Starts a session; or gives the claim back, if the attempt has ended or the budget is used up."""
    name = worker.claim
    assert name is not None
    attempt = _find(state.store, name)
    idle = worker._replace(claim=None)
    if attempt is None or attempt.ended:
        return _with_worker(state, index, idle)
    used_up = state.store.spent >= bounds.cap + state.store.added or attempt.over
    if used_up and rules.go_needs_money:
        store = _closed(state.store, attempt, Transition.RELEASE, rules)
        return _with_worker(state, index, idle)._replace(store=store)
    if used_up:
        raise Violation("F5: a session starts although nothing is left")
    started = _with_worker(state, index, idle._replace(session=name, spent=0))
    return started._replace(store=_moved(state.store, attempt.task, Transition.GO))


def _beat(
    state: FundState, index: int, worker: FundWorker, bounds: FundBounds, rules: FundRules
) -> FundState:
    """Reports what the session has spent, if it has; the answer has the order to end it, if there is one."""
    name = worker.session
    assert name is not None
    heard = state
    if worker.silent:
        told = _with_worker(state, index, worker._replace(silent=False, said=(name, worker.spent)))
        heard = _heard(told, name, worker.spent, bounds, rules)
    if name in heard.ordered:
        return _ended(heard, index, heard.workers[index], bounds, rules)
    if not _ends(heard.store, name) and heard.store.spent > bounds.cap + heard.store.added:
        raise Violation(f"F9: the cap is passed, and the session of {name} goes on after a beat")
    return heard


def _heard(
    state: FundState, name: tuple[int, int], spent: int, bounds: FundBounds, rules: FundRules
) -> FundState:
    """Counts a report, and orders the sessions of the budget to end if it passes the cap."""
    attempt = _find(state.store, name)
    if attempt is None:
        return state
    store = state.store
    if spent > attempt.reported:
        store = _changed(store, attempt._replace(reported=spent))
    elif not rules.counted_once:
        store = store._replace(twice=store.twice + spent)
    if store.spent <= bounds.cap + store.added:
        return state._replace(store=store)
    ordered = state.ordered
    for found in store.attempts:
        if not found.ended and (rules.all_are_ordered or found.name == name):
            store = _changed(store, found._replace(over=True))
            ordered |= {found.name}
    return state._replace(store=store, ordered=ordered)


def _ended(
    state: FundState, index: int, worker: FundWorker, bounds: FundBounds, rules: FundRules
) -> FundState:
    """Ends the session and its attempt; the task is held if that was ordered and nothing is left to spend."""
    name = worker.session
    assert name is not None
    heard = _heard(state, name, worker.spent, bounds, rules)
    done = _with_worker(heard, index, worker._replace(session=None, spent=0, silent=False))
    done = done._replace(ordered=done.ordered - {name})
    attempt = _find(done.store, name)
    if attempt is None or attempt.ended:
        return done
    stopped = name in state.ordered
    if stopped and done.store.spent >= bounds.cap + done.store.added:
        store = _closed(done.store, attempt, Transition.HOLD, rules)
        return done._replace(store=store, held=done.held | {attempt.task})
    store = _closed(done.store, attempt, Transition.RETRY if stopped else Transition.COMPLETE, rules)
    return done._replace(store=store)


def _rejoined(state: FundState, index: int, worker: FundWorker, rules: FundRules) -> FundState:
    """Starts a worker again: what it had open has ended for certain."""
    store = state.store
    for attempt in store.attempts:
        if attempt.worker == index and not attempt.ended:
            claimed = store.statuses[attempt.task] is TaskStatus.CLAIMED
            store = _closed(store, attempt, Transition.RELEASE if claimed else Transition.RETRY, rules)
    ordered = frozenset(name for name in state.ordered if not _ends(store, name))
    again = _with_worker(state, index, worker._replace(up=True))
    return again._replace(store=store, ordered=ordered)


def _ends(store: FundStore, name: tuple[int, int]) -> bool:
    found = _find(store, name)
    return found is None or found.ended


def _find(store: FundStore, name: tuple[int, int]) -> FundAttempt | None:
    return next((found for found in store.attempts if found.name == name), None)


def _changed(store: FundStore, attempt: FundAttempt) -> FundStore:
    kept = tuple(attempt if found.name == attempt.name else found for found in store.attempts)
    return store._replace(attempts=kept)


def _closed(store: FundStore, attempt: FundAttempt, transition: Transition, rules: FundRules) -> FundStore:
    leaked = 0 if rules.freed_with_attempt else max(0, attempt.reserved - attempt.reported)
    ended = _changed(store, attempt._replace(ended=True))
    return _moved(ended._replace(leaked=store.leaked + leaked), attempt.task, transition)


def _moved(store: FundStore, task: int, transition: Transition) -> FundStore:
    status = advance(f"t{task}", store.statuses[task], transition)
    if status is TaskStatus.BLOCKED:  # it has no dependencies
        status = advance(f"t{task}", status, Transition.UNBLOCK)
    return store._replace(statuses=(*store.statuses[:task], status, *store.statuses[task + 1 :]))


def _with_worker(state: FundState, index: int, worker: FundWorker) -> FundState:
    return state._replace(workers=(*state.workers[:index], worker, *state.workers[index + 1 :]))


def _check_state(state: FundState, bounds: FundBounds) -> None:
    """Checks one state.

    Raises:
        Violation: the state breaks an invariant.
    """
    store, cap = state.store, bounds.cap + state.store.added
    live = [worker.session for worker in state.workers if worker.session is not None]
    # Each session spends a unit at most before its next beat, and a worker that crashes may not have reported it.
    unheard = bounds.workers + state.counts.worker_crashes
    if state.truly_spent > cap + unheard:
        raise Violation(
            f"F1: {state.truly_spent} spent of {cap}; at most {unheard} were not reported in time"
        )
    if store.spent > state.truly_spent:
        raise Violation(f"F2: {store.spent} counted, {state.truly_spent} spent")
    if not live and all(found.ended for found in store.attempts) and store.reserved:
        raise Violation(f"F3: nothing runs, and {store.reserved} are reserved")
    if lost := [task for task in state.held if store.statuses[task] is not TaskStatus.HELD]:
        raise Violation(f"F4: task {lost[0]} was held, nobody freed it, and it is {store.statuses[lost[0]]}")
    if kept := [t for t, s in enumerate(store.statuses) if s is TaskStatus.HELD and t not in state.held]:
        raise Violation(f"F6: the budget was raised, and task {kept[0]} waits for that")
    known = {found.name for found in store.attempts if not found.ended}
    if any(session not in known for session in live) and not state.counts.worker_crashes:
        raise Violation("F7: a session lives whose attempt has ended")


def _check_step(before: FundState, after: FundState, bounds: FundBounds) -> None:
    """Checks that a claim leaves no more reserved than the cap has left.

    Raises:
        Violation: the step breaks an invariant.
    """
    store = after.store
    if len(store.attempts) > len(before.store.attempts):
        # What is reserved is at least the need of each open attempt that has reported nothing.
        rest = sum(max(0, bounds.need - found.reported) for found in store.attempts if not found.ended)
        if store.spent + rest > bounds.cap + store.added:
            raise Violation(f"F8: {store.spent} spent and {rest} to be spent of {bounds.cap + store.added}")


FUNDS: Final = Machine(_begin, _successors, _check_state, _check_step)
SMALL_FUNDS: Final = {
    "crashes of both": FundBounds(worker_crashes=1, server_crashes=1, attempts=2),
    "raises": FundBounds(raises=2, server_crashes=1, spends=2),
    "three for one budget": FundBounds(tasks=3, workers=2, attempts=1, cap=2, spends=2, raises=1),
    "room for one": FundBounds(cap=3, need=2, raises=1, server_crashes=1, spends=4),
}
# For each rule the bounds in which its absence shows.
SHOWS_FUNDS: Final = {
    "room_at_claim": FundBounds(cap=1),
    "counted_in_round": FundBounds(cap=1),
    "freed_with_attempt": FundBounds(),
    "reserved_is_durable": FundBounds(cap=1, server_crashes=1),
    "counted_once": FundBounds(),
    "all_are_ordered": FundBounds(),
    "order_outlives_restart": FundBounds(server_crashes=1),
    "go_needs_money": FundBounds(),
    "hold_is_durable": FundBounds(server_crashes=1),
    "raise_frees": FundBounds(raises=1),
}
