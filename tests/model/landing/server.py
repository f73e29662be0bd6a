"""Steps of the server: claims, losses, outcomes, operators, its crashes and restores."""

from collections.abc import Iterator
from functools import partial

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
            work_of = _work_to_land(ledger, task, rules)
            attempt = LandingAttempt(lease, index, since, work_of=work_of)
            claimed = moved(ledger, task, Transition.CLAIM)
            claimed = with_task(claimed, task, lambda found: found._replace(number=found.number + 1))
            claimed = claimed._replace(attempts=(*claimed.attempts, attempt))
            begun = worker._replace(
                phase=WorkPhase.LOOKING if work_of or _must_look(lease, rules) else WorkPhase.BUILDING,
                lease=lease,
                since=since,
                base=_base_of(ledger, task, work_of) if work_of else len(state.branch),
                work_of=work_of,
                creation=row.creation,
            )
            after = with_agent(state._replace(ledger=claimed), index, begun)
            if begun.phase is WorkPhase.BUILDING:
                after = after._replace(ledger=moved(claimed, task, Transition.GO))
            yield f"server claims {lease} for worker {index}", after


def _work_to_land(ledger: Ledger, task: int, rules: LandingRules) -> int:
    """Returns the number of the attempt whose kept work the next attempt lands, 0 if it builds."""
    row = ledger.tasks[task]
    if not row.starts_landing:
        return 0
    tried = any(a.lease.task == task and a.lease.number > row.work_of for a in ledger.attempts)
    return 0 if tried and not rules.start_survives_ends else row.work_of


def _base_of(ledger: Ledger, task: int, number: int) -> int:
    """Returns the place on which the work of that attempt was built."""
    return next(a.base for a in ledger.attempts if a.lease.task == task and a.lease.number == number)


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
        claimed = state.ledger.tasks[attempt.lease.task].status is TaskStatus.CLAIMED
        if claimed and alive and may_happen(state, bounds, "suspicions"):
            given_up = state._replace(ledger=lost(state.ledger, attempt, bounds))
            yield f"server takes {attempt.lease} back", counted(given_up, "suspicions")
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
        has_to_land = message.lease.task >= bounds.kept or task.work_of > 0
        proven = message.commit > 0 or not (has_to_land and rules.landing_is_proof)
        return _completed(ledger, attempt, message, Transition.COMPLETE, rules) if proven else ledger
    if task.status is TaskStatus.CLAIMED and not message.missing:
        return ended(ledger, attempt, AttemptOutcome.RELEASED, Transition.RELEASE)
    return _failed(ledger, attempt, message, bounds, rules)


def _withdrawn(ledger: Ledger, attempt: LandingAttempt, rules: LandingRules) -> Ledger:
    """Ends a landing whose work was not found: the task is what it was before the order."""
    missed = attempt._replace(outcome=AttemptOutcome.FAILED, missing=True)
    ledger = with_attempt(ledger, attempt, missed)
    if not rules.missing_work_withdraws:
        return moved(ledger, attempt.lease.task, Transition.GIVE_UP)
    ledger = moved(ledger, attempt.lease.task, Transition.WITHDRAW)
    return with_task(
        ledger, attempt.lease.task, lambda found: found._replace(work_of=0, starts_landing=False)
    )


def _failed(
    ledger: Ledger, attempt: LandingAttempt, message: Finish, bounds: LandingBounds, rules: LandingRules
) -> Ledger:
    if message.missing:
        return _withdrawn(ledger, attempt, rules)
    if not message.conflict:
        return _unlucky(ledger, attempt, AttemptOutcome.FAILED, bounds)
    index = message.lease.task
    # The next attempt is a builder, which reconciles both.
    ledger = with_task(
        ledger, index, lambda found: found._replace(conflicts=found.conflicts + 1, starts_landing=False)
    )
    ledger = with_attempt(ledger, attempt, attempt := attempt._replace(conflicted=True))
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
    known = attempt._replace(base=message.base, landed=message.commit > 0)
    ledger = with_attempt(ledger, attempt, known)
    attempt = known
    ledger = with_task(
        ledger, message.lease.task, lambda found: found._replace(work_of=0, starts_landing=False)
    )
    ledger = ended(ledger, attempt, AttemptOutcome.COMPLETED, transition)
    if not message.commit:
        return ledger
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
        number = _landable(ledger, index)
        if number and may_happen(state, bounds, "orders"):
            again = moved(moved(ledger, index, Transition.REOPEN), index, Transition.UNBLOCK)
            again = with_task(again, index, partial(_ordered, number=number, rules=rules))
            yield f"operator lands task {index}", counted(state._replace(ledger=again), "orders")
        if may_happen(state, bounds, "reruns") and task.status is TaskStatus.COMPLETED:
            yield f"a person has task {index} done again", _rerun(state, index, rules)
    if may_happen(state, bounds, "recreations") and all(task.status not in LEASED for task in ledger.tasks):
        yield (
            "operator removes and adds all tasks",
            counted(state._replace(ledger=_recreated(ledger)), "recreations"),
        )
    if bounds.restores and state.copy is None:
        yield "operator makes a backup", state._replace(copy=ledger)
    if may_happen(state, bounds, "restores") and state.copy is not None:
        past = state.copy._replace(epoch=ledger.epoch + 1)
        yield "operator restores the backup", counted(state._replace(ledger=past), "restores")


def _landable(ledger: Ledger, index: int) -> int:
    """Returns the number of the attempt whose accepted work has not landed, 0 if there is none."""
    task = ledger.tasks[index]
    ended_ordered = task.status in (TaskStatus.FAILED, TaskStatus.KILLED) and task.work_of > 0
    if task.status is not TaskStatus.COMPLETED and not ended_ordered:
        return 0
    accepted = [a for a in ledger.attempts if a.lease.task == index and a.outcome is AttemptOutcome.COMPLETED]
    return accepted[-1].lease.number if accepted and not accepted[-1].landed else 0


def _ordered(task: LandingTask, *, number: int, rules: LandingRules) -> LandingTask:
    return _with_full_budgets(task)._replace(work_of=number, starts_landing=rules.reopening_keeps_work)


def _recreated(ledger: Ledger) -> Ledger:
    """Returns the store after a clear and an import of the same plan: the branch and its tip stay known."""
    creation = ledger.tasks[0].creation + 1
    tasks = tuple(LandingTask(creation=creation) for _ in ledger.tasks)
    return ledger._replace(tasks=tasks, attempts=(), epoch=ledger.epoch + 1)


def _rerun(state: LandingState, index: int, rules: LandingRules) -> LandingState:
    """Reopens a completed task, whose next attempt builds on what has landed."""
    after = counted(state, "reruns")
    again = moved(moved(state.ledger, index, Transition.REOPEN), index, Transition.UNBLOCK)
    # The real name is drawn by chance, so it is new after a restore too.
    name = 100 + after.counts.reruns if rules.rerun_is_own else state.ledger.tasks[index].creation
    again = with_task(
        again,
        index,
        lambda task: _with_full_budgets(task)._replace(creation=name, again_at=len(state.branch)),
    )
    return after._replace(ledger=again)


def _with_full_budgets(task: LandingTask) -> LandingTask:
    return task._replace(failures=0, conflicts=0)


def _killed(ledger: Ledger, task: int) -> Ledger:
    attempt = open_attempt(ledger, task)
    if attempt is not None and ledger.tasks[task].status is TaskStatus.CLAIMED:
        return ended(ledger, attempt, AttemptOutcome.KILLED, Transition.KILL)
    return moved(ledger, task, Transition.KILL)
