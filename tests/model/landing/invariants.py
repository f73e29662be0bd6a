"""Invariants of landings, and the machine that the checker explores."""

from collections.abc import Iterator
from typing import Final

from model.checker import Machine
from model.landing.server import server_steps
from model.landing.state import (
    LandingBounds,
    LandingRules,
    LandingState,
    LandingStep,
    WorkPhase,
    find_attempt,
    first_state,
    holder,
    place_of,
)
from model.landing.worker import landing_workers, worker_steps
from model.protocol import Violation
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import AttemptOutcome

_RULES: Final = LandingRules()


def _successors(state: LandingState, bounds: LandingBounds, rules: LandingRules) -> Iterator[LandingStep]:
    yield from server_steps(state, bounds, rules)
    yield from worker_steps(state, bounds, rules)


def _check_state(state: LandingState, bounds: LandingBounds) -> None:
    """Checks one state.

    Raises:
        Violation: the state breaks an invariant.
    """
    # A restored past does not know who has the right. Then the branch is safe by its comparison alone.
    if len(landing_workers(state)) > 1 and not bounds.restores:
        raise Violation("L1: two attempts have the right to land")
    for place, commit in enumerate(state.branch, 1):
        if commit.checked != place - 1:
            raise Violation(f"L3: the checks of commit {place} did not run on the tip before it")
    for index, task in enumerate(state.ledger.tasks):
        _check_task(state, index, task.status, bounds)
    for number, worker in enumerate(state.workers):
        if worker.lease is None or worker.phase is not WorkPhase.BUILDING:
            continue
        index = worker.lease.task
        if place_of(state, index, after=0, until=worker.base, creation=worker.creation):
            raise Violation(f"L5: task {index} has landed, and is built again")
        task = state.ledger.tasks[index]
        attempt = find_attempt(state.ledger, worker.lease, number)
        known = attempt is not None and attempt.outcome is None
        if known and task.work_of and not _reconciles(state, index, task.work_of):
            raise Violation(f"L10: the work of task {index} was accepted, and is built again")


def _reconciles(state: LandingState, index: int, work_of: int) -> bool:
    """Returns whether a landing of the accepted work has met a conflict, which a builder reconciles."""
    return any(
        a.conflicted for a in state.ledger.attempts if a.lease.task == index and a.lease.number > work_of
    )


def _is_kept(state: LandingState, index: int, bounds: LandingBounds) -> bool:
    """Returns whether the task is completed by work that was accepted and has not landed."""
    accepted = [
        a for a in state.ledger.attempts if a.lease.task == index and a.outcome is AttemptOutcome.COMPLETED
    ]
    return index < bounds.kept and bool(accepted) and not accepted[-1].landed


def _check_task(state: LandingState, index: int, status: TaskStatus, bounds: LandingBounds) -> None:
    creation = state.ledger.tasks[index].creation
    if sum((commit.task, commit.creation) == (index, creation) for commit in state.branch) > 1:
        raise Violation(f"L2: task {index} has landed twice")
    latest = [a for a in state.ledger.attempts if a.lease.task == index][-1:]
    if status is TaskStatus.FAILED and any(a.missing for a in latest):
        raise Violation(f"L11: the accepted work of task {index} was not found, and the task has failed")
    if status is TaskStatus.COMPLETED and _is_kept(state, index, bounds):
        return
    place = place_of(state, index, after=0, until=len(state.branch), creation=creation)
    if status is TaskStatus.COMPLETED and not place:
        raise Violation(f"L4: task {index} is completed, and has not landed")
    if status is TaskStatus.COMPLETED and place <= state.ledger.tasks[index].again_at:
        raise Violation(
            f"L12: task {index} was to be done again, and is completed by what it had landed before"
        )
    # Neither a restored past nor a landing without a lease has an order. Workers fetch the branch itself.
    ordered = not (bounds.restores or bounds.zombies or bounds.recreations)
    if status is TaskStatus.COMPLETED and place > state.ledger.tip and ordered:
        raise Violation(f"L6: a dependent of task {index} would start without its work")


def _check_step(before: LandingState, after: LandingState, bounds: LandingBounds) -> None:
    """Checks the step between two states.

    Raises:
        Violation: the step breaks an invariant.
    """
    for index, (old, new) in enumerate(zip(before.workers, after.workers, strict=True)):
        if old.lease is None:
            continue
        status = before.ledger.tasks[old.lease.task].status
        if new.phase is WorkPhase.SCANNING and old.phase is WorkPhase.WAITING:
            _check_grant(after, index, status)
        landed = len(after.branch) > len(before.branch) and after.branch[-1].task == old.lease.task
        if landed and old.phase is WorkPhase.SWAPPING and not (bounds.zombies or bounds.restores):
            attempt = find_attempt(before.ledger, old.lease, index)
            if attempt is None or attempt.outcome is not None:
                raise Violation("L8: an attempt landed after its lease had ended")


def _check_grant(after: LandingState, index: int, status: TaskStatus) -> None:
    if status is TaskStatus.KILLING:
        raise Violation("L9: an attempt that is being killed got the right to land")
    first = holder(after.ledger, _RULES)
    if first is None or first.lease != after.workers[index].lease:
        raise Violation("L1: an attempt got the right out of turn")


def check_queue(state: LandingState, rules: LandingRules) -> None:
    """Checks that the attempt that is served first has not ended.

    Raises:
        Violation: the attempts behind it would wait forever.
    """
    first = holder(state.ledger, rules)
    if first is not None and first.outcome is not None:
        raise Violation("L7: an attempt that has ended keeps the right to land")


def machine(rules: LandingRules = _RULES) -> Machine:
    """Returns the machine; the check of the queue follows the rules."""

    def check_state(state: LandingState, bounds: LandingBounds) -> None:
        _check_state(state, bounds)
        check_queue(state, rules)

    return Machine(first_state, _successors, check_state, _check_step)
