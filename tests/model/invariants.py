"""Invariants of every state and every step, numbered as in the design's list."""

from model.protocol import Bounds, State, Violation, leased
from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import AttemptOutcome, SwarmMode

_UNLUCKY = (AttemptOutcome.FAILED, AttemptOutcome.LOST)


def check_state(state: State, bounds: Bounds) -> None:
    """Checks one state.

    Raises:
        Violation: the state breaks an invariant.
    """
    store = state.store
    open_attempts = [found for found in store.attempts if found.outcome is None]
    if len(open_attempts) > 1:
        raise Violation("I2: two open attempts of one task")
    if leased(store) != (len(open_attempts) == 1):
        raise Violation(f"I2: the task is {store.status}, and {len(open_attempts)} attempts are open")
    if len(state.accepted) > 1:
        raise Violation("I1: two outcomes accepted")
    sent_back = bool(bounds.approve) and state.counts.rejections + state.counts.retries
    if sum(found.outcome is AttemptOutcome.COMPLETED for found in store.attempts) > 1 + sent_back:
        raise Violation("I1: two attempts completed")
    if (store.status is TaskStatus.COMPLETED) != bool(state.accepted) and not state.counts.restores:
        raise Violation("I1: an outcome was accepted and the task is not completed, or the other way about")
    if state.unproven.intersection(state.accepted):
        raise Violation(
            "I18: a task is completed by an attempt that was to judge its work, without a verdict"
        )
    asks_after = bounds.approve is ApprovalPoint.AFTER
    if asks_after and store.status is TaskStatus.COMPLETED and not state.nods.issuperset(state.accepted):
        raise Violation("I17: the task counts as completed by work that nobody has approved")
    _check_questions(state)
    _check_promises(state)
    _check_counts(state, bounds)
    if not (bounds.restores or bounds.keep):
        _check_sessions(state)


def check_step(before: State, after: State, bounds: Bounds) -> None:
    """Checks the step between two states.

    Raises:
        Violation: the step breaks an invariant.
    """
    if before.counts.restores != after.counts.restores:
        return
    if after.grants > before.grants and before.store.spent:
        raise Violation("I17: a claim of a task that may spend no more")
    if after.grants > before.grants and before.judging and not after.store.attempts[-1].judges:
        raise Violation("I18: a builder is started although a person has asked for the validator alone")
    charged = after.store.failures > before.store.failures and before.store.status is TaskStatus.IN_PROGRESS
    if charged and before.store.spent:
        raise Violation("I17: a used up cap costs a retry")
    if after.grants > before.grants and before.store.mode is not SwarmMode.RUNNING:
        raise Violation("I5: a claim while an emergency stop holds")
    waits = bounds.approve is ApprovalPoint.BEFORE_START and not after.start_promised
    if after.grants > before.grants and waits:
        raise Violation("I17: a claim of a task whose start nobody has approved")
    if after.store.number < before.store.number or after.store.number > before.store.number + 1:
        raise Violation("I2: attempt numbers do not grow one by one")
    for old, new in zip(before.store.attempts, after.store.attempts, strict=False):
        counts_late = old.outcome is AttemptOutcome.LOST and new.outcome is AttemptOutcome.COMPLETED
        if old.outcome is not None and old != new and not counts_late:
            raise Violation("I1: an attempt that had ended has changed")


def _check_questions(state: State) -> None:
    """Checks the question of a session that waits in place."""
    store, attempt = state.store, state.store.open
    running = store.status in (TaskStatus.IN_PROGRESS, TaskStatus.KILLING) and attempt is not None
    if store.asked is not None and not (running and attempt is not None and attempt.lease == store.asked):
        raise Violation("I18: a session has asked in place, and its attempt does not run")
    if store.status is TaskStatus.HELD and store.asks_for is None and store.holds in state.answered:
        raise Violation("I18: the task waits for an answer that was given")


def _check_promises(state: State) -> None:
    store = state.store
    if state.stop_promised and store.mode is not SwarmMode.STOPPED:
        raise Violation("I5: an emergency stop ended without a resume")
    if store.status is TaskStatus.KILLING and state.up and not state.ordered:
        raise Violation("a task is being killed and no heartbeat will say so")
    if leased(store) and store.spent and state.up and not state.ordered:
        raise Violation("I17: a cap is used up, and no heartbeat ends the session")
    if state.kill_promised and store.status not in (TaskStatus.KILLING, TaskStatus.KILLED):
        raise Violation(f"a kill was acknowledged, and the task is {store.status}")
    if state.hold_promised and store.status is not TaskStatus.HELD:
        raise Violation(f"I16: the task waited for a person, nobody has answered, and it is {store.status}")


def _check_counts(state: State, bounds: Bounds) -> None:
    store = state.store
    unlucky = sum(found.outcome in _UNLUCKY for found in store.attempts)
    # A loss stays counted when its result comes after all.
    unlucky += store.status is TaskStatus.COMPLETED
    if bounds.approve is ApprovalPoint.AFTER:  # so it does while that result waits, and when it is rejected
        unlucky += sum(found.outcome is AttemptOutcome.COMPLETED for found in store.attempts)
    if store.failures > unlucky:
        raise Violation(f"I14: {store.failures} failures counted, and {unlucky} attempts did not succeed")


def _check_sessions(state: State) -> None:
    """Checks live sessions. Not after a restore, since a restored past can't know the sessions of its future."""
    live = [worker.session for worker in state.workers if worker.session is not None]
    if len(live) > 1:
        raise Violation("I7: two live sessions of one task")
    attempt = state.store.open
    for session in live:
        if state.store.status is TaskStatus.CLAIMED and attempt is not None and attempt.lease == session:
            raise Violation("I9: a session lives without a go")
        if state.store.status in (TaskStatus.KILLED, TaskStatus.COMPLETED, TaskStatus.HELD):
            raise Violation(f"I9: the task is {state.store.status}, and a session of it lives")
