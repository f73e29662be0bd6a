"""Steps of workers, of people who commit on the branch, and crashes of workers."""

from collections.abc import Iterator

from model.landing.server import lost
from model.landing.state import (
    LANDING,
    PERSON,
    Commit,
    Finish,
    LandingBounds,
    LandingRules,
    LandingState,
    LandingStep,
    LandingWorker,
    WorkPhase,
    counted,
    find_attempt,
    holder,
    may_happen,
    moved,
    place_of,
    with_agent,
    with_attempt,
)
from swarmd.domain.lifecycle import TaskStatus, Transition
from swarmd.domain.model import OutcomeKind


def worker_steps(state: LandingState, bounds: LandingBounds, rules: LandingRules) -> Iterator[LandingStep]:
    """Yields the next steps of workers and people."""
    for index, worker in enumerate(state.workers):
        if not worker.up:
            yield f"worker {index} starts again", _restarted(state, index, worker, bounds)
            continue
        if may_happen(state, bounds, "worker_crashes"):
            dead = with_agent(state, index, LandingWorker(up=False, outbox=worker.outbox))
            yield f"worker {index} crashes", counted(dead, "worker_crashes")
        if worker.fence and may_happen(state, bounds, "silences"):
            yield f"worker {index} is cut off", counted(_silenced(state, index, worker, rules), "silences")
        if not worker.fence and state.up:
            yield f"worker {index} is heard again", with_agent(state, index, worker._replace(fence=True))
        if worker.lease is not None:
            yield from _hears_order(state, index, worker)
            yield from _steps(state, index, worker, bounds, rules)
    if may_happen(state, bounds, "pushes"):
        pushed = state._replace(branch=(*state.branch, Commit(PERSON, len(state.branch))))
        yield "a person commits on the branch", counted(pushed, "pushes")


def _restarted(state: LandingState, index: int, worker: LandingWorker, bounds: LandingBounds) -> LandingState:
    """Starts a worker: what it does not list has ended for certain, and the server hears what it kept."""
    listed = {message.lease for message in worker.outbox}
    ledger = state.ledger
    for attempt in state.ledger.attempts:
        if attempt.worker == index and attempt.outcome is None and attempt.lease not in listed:
            ledger = lost(ledger, attempt, bounds)
    alive = LandingWorker(outbox=worker.outbox)
    after = with_agent(state._replace(ledger=ledger if state.up else state.ledger), index, alive)
    return after._replace(sent=after.sent | worker.outbox)


def _silenced(state: LandingState, index: int, worker: LandingWorker, rules: LandingRules) -> LandingState:
    """Ends what the worker does: it was cut off from the server for too long."""
    if worker.lease is None or not rules.lease_before_landing:
        return with_agent(state, index, worker._replace(fence=False))
    return _ended(
        state, index, worker._replace(fence=False), Finish(worker.lease, index, OutcomeKind.STOPPED)
    )


def _hears_order(state: LandingState, index: int, worker: LandingWorker) -> Iterator[LandingStep]:
    assert worker.lease is not None
    attempt = find_attempt(state.ledger, worker.lease, index)
    ends = attempt is None or attempt.outcome is not None
    if state.up and (ends or state.ledger.tasks[worker.lease.task].status is TaskStatus.KILLING):
        stopped = Finish(worker.lease, index, OutcomeKind.STOPPED)
        yield f"worker {index} obeys an order", _ended(state, index, worker, stopped)


def _ended(state: LandingState, index: int, worker: LandingWorker, message: Finish) -> LandingState:
    """Ends the attempt at the worker: its outcome is on its disk and on its way."""
    idle = LandingWorker(fence=worker.fence, outbox=worker.outbox | {message})
    after = with_agent(state, index, idle)
    return after._replace(sent=after.sent | {message})


def _completed(
    state: LandingState, index: int, worker: LandingWorker, place: int, *, found: bool
) -> LandingState:
    assert worker.lease is not None
    return _ended(
        state, index, worker, Finish(worker.lease, index, OutcomeKind.COMPLETED, place, found=found)
    )


def _steps(
    state: LandingState, index: int, worker: LandingWorker, bounds: LandingBounds, rules: LandingRules
) -> Iterator[LandingStep]:
    assert worker.lease is not None
    failed = Finish(worker.lease, index, OutcomeKind.FAILED)
    if worker.phase is WorkPhase.LOOKING:
        yield from _looks(state, index, worker, bounds, rules)
    elif worker.phase is WorkPhase.BUILDING:
        yield f"worker {index} builds", _built(state, index, worker, bounds)
        yield f"worker {index} fails", _ended(state, index, worker, failed)
        if not rules.landing_is_proof:
            yield f"worker {index} says only that it built", _completed(state, index, worker, 0, found=False)
    elif worker.phase is WorkPhase.WAITING and state.up:
        yield from _asks(state, index, worker, rules)
    elif worker.phase is WorkPhase.SCANNING:
        yield f"worker {index} looks at the branch", _scans(state, index, worker, rules)
    elif worker.phase is WorkPhase.CHECKING:
        green = worker._replace(phase=WorkPhase.SWAPPING, checked=worker.seen)
        yield f"worker {index} checks the combination", with_agent(state, index, green)
        yield f"worker {index} can't combine", _ended(state, index, worker, failed._replace(conflict=True))
    elif worker.phase is WorkPhase.SWAPPING:
        yield f"worker {index} moves the branch", _swaps(state, index, worker, rules)


def _built(state: LandingState, index: int, worker: LandingWorker, bounds: LandingBounds) -> LandingState:
    """Ends the builder's session: its work is to land, or it is kept and that completes the task."""
    assert worker.lease is not None
    if worker.lease.task >= bounds.kept or state.ledger.tasks[worker.lease.task].work_of:
        return with_agent(state, index, worker._replace(phase=WorkPhase.WAITING))
    return _ended(state, index, worker, Finish(worker.lease, index, OutcomeKind.COMPLETED, base=worker.base))


def _looks(
    state: LandingState, index: int, worker: LandingWorker, bounds: LandingBounds, rules: LandingRules
) -> Iterator[LandingStep]:
    """Looks for a landing of the task before any session, then asks for the go, or for the right with kept work."""
    assert worker.lease is not None
    tip = len(state.branch)
    looks = rules.landing_looks or not worker.work_of
    place = _landed(state, worker, worker.since, rules) if looks else 0
    if worker.work_of and not place and rules.landing_starts_no_session:
        yield (
            f"worker {index} takes kept work",
            with_agent(state, index, worker._replace(phase=WorkPhase.WAITING)),
        )
        if may_happen(state, bounds, "missing"):
            missing = Finish(worker.lease, index, OutcomeKind.FAILED, missing=True)
            gone = counted(_ended(state, index, worker, missing), "missing")
            yield f"worker {index} does not find the work", gone
        return
    if place:
        found = _completed(state, index, worker, place, found=True)
        yield f"worker {index} finds that its task has landed", found
        return
    attempt = find_attempt(state.ledger, worker.lease, index)
    if state.up and attempt is not None and attempt.outcome is None:
        if state.ledger.tasks[worker.lease.task].status is not TaskStatus.CLAIMED:
            return
        building = worker._replace(phase=WorkPhase.BUILDING, base=tip)
        ledger = moved(state.ledger, worker.lease.task, Transition.GO)
        yield f"worker {index} starts", with_agent(state._replace(ledger=ledger), index, building)


def _asks(
    state: LandingState, index: int, worker: LandingWorker, rules: LandingRules
) -> Iterator[LandingStep]:
    assert worker.lease is not None
    attempt = find_attempt(state.ledger, worker.lease, index)
    if attempt is None or attempt.outcome is not None:
        return
    if rules.kill_denies_right and state.ledger.tasks[worker.lease.task].status is TaskStatus.KILLING:
        return
    ledger = state.ledger
    if not attempt.place:
        queued = attempt._replace(place=ledger.places + 1)
        ledger = with_attempt(ledger._replace(places=queued.place), attempt, queued)
        attempt = queued
    if holder(ledger, rules) is attempt or not rules.one_right:
        worker = worker._replace(phase=WorkPhase.SCANNING)
        claimed = ledger.tasks[attempt.lease.task].status is TaskStatus.CLAIMED
        if claimed and rules.right_is_go:
            ledger = moved(ledger, attempt.lease.task, Transition.GO)
    yield f"worker {index} asks for the right", with_agent(state._replace(ledger=ledger), index, worker)


def _scans(state: LandingState, index: int, worker: LandingWorker, rules: LandingRules) -> LandingState:
    assert worker.lease is not None
    tip = len(state.branch)
    place = _landed(state, worker, worker.base, rules)
    if place and (rules.landing_looks if worker.work_of else rules.looks_before_landing):
        return _completed(state, index, worker, place, found=True)
    if tip == worker.base and not worker.work_of:
        # The checks have run on the work itself.
        return with_agent(state, index, worker._replace(phase=WorkPhase.SWAPPING, seen=tip, checked=tip))
    return with_agent(state, index, worker._replace(phase=WorkPhase.CHECKING, seen=tip))


def _swaps(state: LandingState, index: int, worker: LandingWorker, rules: LandingRules) -> LandingState:
    assert worker.lease is not None
    if rules.compares_tip and worker.seen != len(state.branch):
        if rules.checks_again:
            return with_agent(state, index, worker._replace(phase=WorkPhase.SCANNING))
        return with_agent(state, index, worker._replace(seen=len(state.branch)))
    commit = Commit(worker.lease.task, worker.checked, worker.creation)
    landed = state._replace(branch=(*state.branch, commit))
    return _completed(landed, index, worker, len(landed.branch), found=False)


def _landed(state: LandingState, worker: LandingWorker, after: int, rules: LandingRules) -> int:
    """Returns the place of a landing of the worker's task after that place, 0 if it finds none."""
    assert worker.lease is not None
    creation = worker.creation if rules.creation_is_own else 0
    return place_of(state, worker.lease.task, after=after, until=len(state.branch), creation=creation)


def landing_workers(state: LandingState) -> list[int]:
    """Returns the workers that believe to have the right and whose attempts have not ended."""
    found = []
    for index, worker in enumerate(state.workers):
        if worker.phase in LANDING and worker.lease is not None:
            attempt = find_attempt(state.ledger, worker.lease, index)
            if attempt is not None and attempt.outcome is None:
                found.append(index)
    return found
