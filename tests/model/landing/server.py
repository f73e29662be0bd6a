"""Steps of the server: claims, losses, outcomes, operators, its crashes and restores."""

from collections.abc import Iterator

from model.landing.state import (
    Finish,
    LandingAttempt,
    LandingBounds,
    LandingLease,
    LandingRules,
    LandingState,
    LandingStep,
    LandingTask,
    Ledger,
    WorkPhase,
    counted,
    find_attempt,
    may_happen,
    moved,
    open_attempt,
    with_agent,
    with_attempt,
    with_task,
)
from swarmd.domain.lifecycle import LEASED, TaskStatus, Transition
from swarmd.domain.model import AttemptOutcome, OutcomeKind

_WAITS = (TaskStatus.NOT_STARTED, TaskStatus.CLAIMED, TaskStatus.FAILED)


def server_steps(state: LandingState, bounds: LandingBounds, rules: LandingRules) -> Iterator[LandingStep]:
    """Yields the next steps of the server and its operators."""
    if not state.up:
        yield "server starts", state._replace(up=True)
        return
    yield from _claims(state, bounds, rules)
    yield from _losses(state, bounds)
    for message in state.sent:
        name = f"server hears {message.kind} of {message.lease} from worker {message.worker}"
        yield name, state._replace(ledger=_finish(state.ledger, message, bounds, rules))
    yield from _operators(state, bounds, rules)
    if may_happen(state, bounds, "server_crashes"):
        ledger = state.ledger
        if not rules.right_is_durable:
            ledger = ledger._replace(attempts=tuple(a._replace(place=0) for a in ledger.attempts))
        yield "server crashes", counted(state._replace(up=False, ledger=ledger), "server_crashes")


def _claims(state: LandingState, bounds: LandingBounds, rules: LandingRules) -> Iterator[LandingStep]:
    ledger = state.ledger
    for index, worker in enumerate(state.workers):
        if not worker.up or worker.phase is not WorkPhase.IDLE or not worker.fence:
            continue
        for task, row in enumerate(ledger.tasks):
            if row.status is not TaskStatus.NOT_STARTED or row.number >= bounds.attempts:
                continue
            lease = LandingLease(ledger.epoch, task, row.number + 1)
            since = _since(ledger, task, rules)
            attempt = LandingAttempt(lease, index, since)
            claimed = moved(ledger, task, Transition.CLAIM)
            claimed = with_task(claimed, task, lambda found: found._replace(number=found.number + 1))
            claimed = claimed._replace(attempts=(*claimed.attempts, attempt))
            begun = worker._replace(
                phase=WorkPhase.LOOKING if _must_look(lease, rules) else WorkPhase.BUILDING,
                lease=lease,
                since=since,
                base=len(state.branch),
            )
            after = with_agent(state._replace(ledger=claimed), index, begun)
            if begun.phase is WorkPhase.BUILDING:
                after = after._replace(ledger=moved(claimed, task, Transition.GO))
            yield f"server claims {lease} for worker {index}", after


def _since(ledger: Ledger, task: int, rules: LandingRules) -> int:
    """Returns a place before any landing of the task: a tip from before its first attempt."""
    known = [a.since for a in ledger.attempts if a.lease.task == task]
    if known:
        return known[0]
    # Attempts that a restore has forgotten may have landed before the tip of today.
    return 0 if ledger.epoch > 1 and rules.restore_forgets_tips else ledger.tip


def _must_look(lease: LandingLease, rules: LandingRules) -> bool:
    follows = lease.number > 1 and rules.looks_before_session
    return follows or (lease.epoch > 1 and rules.looks_after_restore)


def ended(ledger: Ledger, attempt: LandingAttempt, how: AttemptOutcome, transition: Transition) -> Ledger:
    """Ends an attempt, and changes its task accordingly."""
    return moved(with_attempt(ledger, attempt, attempt._replace(outcome=how)), attempt.lease.task, transition)


def lost(ledger: Ledger, attempt: LandingAttempt, bounds: LandingBounds) -> Ledger:
    """Ends the attempt of a worker that is gone for certain."""
    status = ledger.tasks[attempt.lease.task].status
    if status is TaskStatus.CLAIMED:
        return ended(ledger, attempt, AttemptOutcome.RELEASED, Transition.RELEASE)
    if status is TaskStatus.KILLING:
        return ended(ledger, attempt, AttemptOutcome.KILLED, Transition.FINISH_KILL)
    return _unlucky(ledger, attempt, AttemptOutcome.LOST, bounds)


def _unlucky(ledger: Ledger, attempt: LandingAttempt, how: AttemptOutcome, bounds: LandingBounds) -> Ledger:
    task = attempt.lease.task
    ledger = with_task(ledger, task, lambda found: found._replace(failures=found.failures + 1))
    again = ledger.tasks[task].failures <= bounds.failures
    return ended(ledger, attempt, how, Transition.RETRY if again else Transition.GIVE_UP)


def _losses(state: LandingState, bounds: LandingBounds) -> Iterator[LandingStep]:
    for attempt in state.ledger.attempts:
        worker = state.workers[attempt.worker]
        if attempt.outcome is not None:
            continue
        alive = worker.up and worker.fence and worker.lease == attempt.lease
        if not alive:
            given_up = state._replace(ledger=lost(state.ledger, attempt, bounds))
            yield f"server gives {attempt.lease} up", given_up
        elif may_happen(state, bounds, "zombies"):
            given_up = counted(state._replace(ledger=lost(state.ledger, attempt, bounds)), "zombies")
            yield f"server gives {attempt.lease} up too early", given_up


def _finish(ledger: Ledger, message: Finish, bounds: LandingBounds, rules: LandingRules) -> Ledger:
    attempt = find_attempt(ledger, message.lease, message.worker)
    if attempt is None or attempt.outcome is not None:
        return ledger if attempt is None else _late(ledger, attempt, message, rules)
    task = ledger.tasks[message.lease.task]
    if task.status is TaskStatus.KILLING:
        return ended(ledger, attempt, AttemptOutcome.KILLED, Transition.FINISH_KILL)
    if message.kind is OutcomeKind.COMPLETED:
        if not message.commit and rules.landing_is_proof:
            return ledger
        return _completed(ledger, attempt, message, Transition.COMPLETE, rules)
    if task.status is TaskStatus.CLAIMED:
        return ended(ledger, attempt, AttemptOutcome.RELEASED, Transition.RELEASE)
    return _failed(ledger, attempt, message, bounds)


def _failed(ledger: Ledger, attempt: LandingAttempt, message: Finish, bounds: LandingBounds) -> Ledger:
    if not message.conflict:
        return _unlucky(ledger, attempt, AttemptOutcome.FAILED, bounds)
    index = message.lease.task
    ledger = with_task(ledger, index, lambda found: found._replace(conflicts=found.conflicts + 1))
    again = ledger.tasks[index].conflicts <= bounds.conflicts
    return ended(ledger, attempt, AttemptOutcome.FAILED, Transition.RETRY if again else Transition.GIVE_UP)


def _late(ledger: Ledger, attempt: LandingAttempt, message: Finish, rules: LandingRules) -> Ledger:
    """Lets the result of a lost attempt count if no other attempt has started since."""
    task = ledger.tasks[message.lease.task]
    if message.kind is not OutcomeKind.COMPLETED or attempt.outcome is not AttemptOutcome.LOST:
        return ledger
    newer = [
        a
        for a in ledger.attempts
        if a.lease.task == message.lease.task and a.lease.number > message.lease.number
    ]
    free = all(a.outcome in (None, AttemptOutcome.RELEASED) for a in newer)
    if task.status not in _WAITS or not task.failures or not free:
        return ledger
    if task.status is TaskStatus.CLAIMED:
        claim = open_attempt(ledger, message.lease.task)
        assert claim is not None
        ledger = ended(ledger, claim, AttemptOutcome.RELEASED, Transition.RELEASE)
    return _completed(ledger, attempt, message, Transition.ACCEPT, rules)


def _completed(
    ledger: Ledger, attempt: LandingAttempt, message: Finish, transition: Transition, rules: LandingRules
) -> Ledger:
    """Completes the task, and learns the new tip in the same transaction."""
    places = [a.place for a in ledger.attempts if a.lease.task == message.lease.task]
    # A landing that was found is that of an earlier attempt, which had the right.
    place = max(places, default=0) if message.found else attempt.place
    ledger = ended(ledger, attempt, AttemptOutcome.COMPLETED, transition)
    if place > ledger.tip_place or not rules.tip_never_goes_back:
        ledger = ledger._replace(tip=message.commit, tip_place=place)
    return ledger


def _operators(state: LandingState, bounds: LandingBounds, rules: LandingRules) -> Iterator[LandingStep]:
    ledger = state.ledger
    for index, task in enumerate(ledger.tasks):
        if may_happen(state, bounds, "kills") and task.status in (*LEASED, TaskStatus.NOT_STARTED):
            killed = counted(state._replace(ledger=_killed(ledger, index)), "kills")
            yield f"operator kills task {index}", killed
        if may_happen(state, bounds, "retries") and task.status in (TaskStatus.FAILED, TaskStatus.KILLED):
            again = moved(moved(ledger, index, Transition.REOPEN), index, Transition.UNBLOCK)
            again = with_task(again, index, _with_full_budgets)
            yield f"operator retries task {index}", counted(state._replace(ledger=again), "retries")
    if bounds.restores and state.copy is None:
        yield "operator makes a backup", state._replace(copy=ledger)
    if may_happen(state, bounds, "restores") and state.copy is not None:
        past = state.copy._replace(epoch=ledger.epoch + 1)
        yield "operator restores the backup", counted(state._replace(ledger=past), "restores")


def _with_full_budgets(task: LandingTask) -> LandingTask:
    return task._replace(failures=0, conflicts=0)


def _killed(ledger: Ledger, task: int) -> Ledger:
    attempt = open_attempt(ledger, task)
    if attempt is not None and ledger.tasks[task].status is TaskStatus.CLAIMED:
        return ended(ledger, attempt, AttemptOutcome.KILLED, Transition.KILL)
    return moved(ledger, task, Transition.KILL)
