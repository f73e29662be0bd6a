"""Ends of attempts: by the worker's outcome, by the loss of the worker, or by a released claim."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from swarmd.domain.budget_end import within_budget
from swarmd.domain.completion import missing_proof
from swarmd.domain.decision import (
    RESULTS,
    Decision,
    RetryRule,
    TaskUpdate,
    decide,
    decide_lost,
    release,
)
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.holds import SHORT_COMMIT, Hold, NewHold, RejectedWork, approval_of, no_progress
from swarmd.domain.landing import JUDGING, StartPoint
from swarmd.domain.lifecycle import TaskStatus, Transition
from swarmd.domain.model import (
    AttemptOutcome,
    Disposition,
    FailureClass,
    Lease,
    OrderAction,
    Outcome,
    OutcomeKind,
    Task,
    TaskKey,
    WorkerName,
)
from swarmd.domain.placement import claimed_definition, must_land
from swarmd.domain.policy import Backoff
from swarmd.domain.runner_kind import rehearses
from swarmd.engine.attempts import leases, overspending
from swarmd.engine.attempts.breaker import Breaker
from swarmd.engine.attempts.landings import wake_queue
from swarmd.engine.dispatch.dispatcher import Dispatcher
from swarmd.engine.live.retry_timers import RetryTimers
from swarmd.engine.live.state import LiveState
from swarmd.engine.live.wakeups import Wakeups
from swarmd.engine.ports import Entropy
from swarmd.engine.tasks import holding, late_results
from swarmd.engine.tasks.transitions import apply
from swarmd.store import attempts, holds, landings, tasks
from swarmd.store.attempts import LeaseRecord
from swarmd.store.events import EventKind
from swarmd.store.reads import views
from swarmd.store.transaction import Tx

REHEARSED: Final = "rehearsed: no model did this work"
_EVENTS: Final[Mapping[Transition, EventKind]] = {
    Transition.COMPLETE: EventKind.TASK_COMPLETED,
    Transition.WITHDRAW: EventKind.LANDING_WITHDRAWN,
    Transition.RELEASE: EventKind.TASK_RELEASED,
    Transition.RETRY: EventKind.TASK_RETRYING,
    Transition.GIVE_UP: EventKind.TASK_FAILED,
    Transition.FINISH_KILL: EventKind.TASK_KILLED,
    Transition.HOLD: EventKind.TASK_HELD,
}


@dataclass(frozen=True, slots=True)
class FinishResult:
    """The disposition of an outcome and the status of its task; no status if the task is gone."""

    disposition: Disposition
    status: TaskStatus | None


class Outcomes:
    """The writer of the ends of attempts. Each public method is one write, and harmless after the attempt's end."""

    def __init__(
        self,
        *,
        live: LiveState,
        dispatcher: Dispatcher,
        retry_timers: RetryTimers[TaskKey],
        cooldowns: RetryTimers[int],
        wakeups: Wakeups,
        entropy: Entropy,
        backoff: Backoff,
    ) -> None:
        self._live = live
        self._dispatcher = dispatcher
        self._retry_timers = retry_timers
        self._wakeups = wakeups
        self._rule = RetryRule(backoff, entropy.chance)
        release = partial(self.release_undelivered, cause="its runner was paused")
        self.breaker = Breaker(live, cooldowns, release=release, first_cooldown_s=backoff.cooldown_s)

    def finish(self, tx: Tx, worker: WorkerName, lease_id: str, outcome: Outcome) -> FinishResult:
        """Ends the attempt by its outcome, or archives an outcome that comes too late.

        Raises: InvalidRequest if the outcome is a completion without proof.
        """
        record = leases.find(tx, worker, lease_id)
        if record is None:
            return FinishResult(Disposition.UNKNOWN, None)
        _refuse_unproven(tx, record, outcome)
        if record.outcome is not None:
            return self._finish_late(tx, record, outcome)
        decision = decide(
            record.task,
            outcome,
            self._rule,
            earlier_findings=_earlier_findings(tx, record.task, outcome),
            interruptions=attempts.interruptions(tx, record.lease) if outcome.interrupted else 0,
            starts_at=record.starts_at,
            was_accepted=attempts.judges_accepted(tx, record),
            stuck=_stuck(tx, record, outcome),
        )
        stopped = outcome.kind not in RESULTS and not outcome.survivors
        budgeted = within_budget(record.task, decision, overspending.end_of(tx, record), stopped=stopped)
        # What ends for its budget, or waits for it, says nothing about the runner.
        judged = self.breaker.judge(tx, record, outcome, decision) if budgeted is decision else budgeted
        if judged is not decision:
            # Other tasks that are put back may have changed what this one waits for.
            record = record._replace(task=tasks.get(tx, record.task.key))
        task = self._write(tx, record, judged, outcome)
        if outcome.change is not None and record.target_key is not None:
            landings.set_change(tx, record.lease.attempt_key, outcome.change)
        if decision.ended_as is AttemptOutcome.COMPLETED and outcome.landing is not None:
            landings.learn_tip(tx, record.lease.attempt_key)
        disposition = Disposition.ARCHIVED if decision.archives else Disposition.ACCEPTED
        return FinishResult(disposition, task.status)

    def mark_lost(self, tx: Tx, lease: Lease, *, cause: str) -> None:
        """Ends an attempt whose worker is gone for certain; does nothing if the attempt has ended."""
        record = attempts.find(tx, lease.task_key, lease.number)
        if record is None or record.outcome is not None:
            return
        decision = decide_lost(record.task, cause, self._rule)
        decision = within_budget(record.task, decision, overspending.end_of(tx, record), stopped=True)
        self._write(tx, record, decision, order=OrderAction.ABANDON, cause=cause)

    def release_undelivered(self, tx: Tx, lease: Lease, *, cause: str) -> bool:
        """Releases a claim that never reached its worker; returns False if it has started or ended."""
        record = attempts.find(tx, lease.task_key, lease.number)
        if record is None or record.outcome is not None or record.task.status is not TaskStatus.CLAIMED:
            return False
        self._write(tx, record, release(cause), order=OrderAction.ABANDON, cause=cause)
        return True

    def _write(
        self,
        tx: Tx,
        record: LeaseRecord,
        decision: Decision,
        outcome: Outcome | None = None,
        *,
        order: OrderAction | None = None,
        cause: str = "",
    ) -> Task:
        """Writes a decision: the end of the attempt, the transition of the task, and all that follows from both."""
        lease = record.lease
        parked = _park(tx, record, decision)
        _end_attempt(tx, lease, decision, outcome)
        wake_queue(tx, self._wakeups, record)
        if decision.archives and outcome is not None:
            late_results.archive(tx, lease, record.task, outcome)
        if decision.hold is not None and parked is None:
            holds.begin(tx, lease.task_key, decision.hold, attempt=lease.number)
        task = apply(
            tx,
            record.task,
            decision.transition,
            _EVENTS[decision.transition],
            worker=lease.worker,
            cause=decision.cause,
            detail=decision.detail or self._note(lease.worker, decision.transition, outcome),
            **_with_start(decision),
        )
        if parked is not None and parked.answer:  # it has come while the session was being ended
            task = holding.free(tx, task, actor=parked.ended_by, answer=parked.answer)
        if decision.update.get("backoff_s"):
            self._retry_timers.start_on_commit(tx, task.key, task.backoff_s)
        self._dispatcher.mark_free_by_name(lease.worker)
        tx.after_commit(partial(self._live.end_lease, lease, order=order, cause=cause))
        tx.after_commit(partial(self._wakeups.notify, task.task_id))
        if decision.holds_worker_s:  # last, since a write that fails after it would leave the hold
            self._live.provider_holds.start(tx, lease.worker, decision.holds_worker_s, decision.error)
        return task

    def _note(self, worker: WorkerName, transition: Transition, outcome: Outcome | None) -> str:
        """Returns a note for the event of a completion: that no model has worked for it, or where it landed."""
        if transition is not Transition.COMPLETE or outcome is None:
            return ""
        member = self._live.workers.get(worker)
        if member is not None and rehearses(member.identity):
            return REHEARSED
        landing = outcome.landing
        if landing is None:
            return ""
        found = "found" if landing.found else "landed"
        return f"{found} on {landing.target} as {landing.commit[:SHORT_COMMIT]}"

    def _finish_late(self, tx: Tx, record: LeaseRecord, outcome: Outcome) -> FinishResult:
        task = record.task
        if record.digest == outcome.digest:
            archived = record.outcome is AttemptOutcome.KILLED and outcome.kind in RESULTS
            return FinishResult(Disposition.ARCHIVED if archived else Disposition.ACCEPTED, task.status)
        if outcome.change is not None and record.target_key is not None:
            landings.set_change(tx, record.lease.attempt_key, outcome.change)
        if not late_results.counts_by_itself(tx, record, outcome):
            late_results.archive(tx, record.lease, task, outcome)
            return FinishResult(Disposition.ARCHIVED, task.status)
        attempts.archive(tx, record.lease.attempt_key, outcome)
        hold = (
            None
            if record.starts_at is StartPoint.LANDING
            else approval_of(task, outcome, attempt=record.lease.number)
        )
        task = late_results.complete_by(tx, self._release_claim(tx, task), record.lease.number, hold=hold)
        tx.after_commit(partial(self._wakeups.notify, task.task_id))
        return FinishResult(Disposition.ACCEPTED, task.status)

    def _release_claim(self, tx: Tx, task: Task) -> Task:
        """Releases the task's claim that has not started, since the result of the task has arrived."""
        if task.status is not TaskStatus.CLAIMED:
            return task
        record = attempts.find(tx, task.key, task.attempt)
        assert record is not None
        cause = "an earlier attempt had completed"
        return self._write(tx, record, release(cause), order=OrderAction.ABANDON, cause=cause)


def _with_start(decision: Decision) -> TaskUpdate:
    """Returns the update of the task. A retry says what one attempt starts from: one that has worked."""
    if decision.ended_as in (AttemptOutcome.RELEASED, AttemptOutcome.LOST):
        return decision.update
    return {**decision.update, "retry_from": None}


def _park(tx: Tx, record: LeaseRecord, decision: Decision) -> Hold | None:
    """Lets the question that the session has asked in place hold the task; returns it, None if it asked none."""
    if decision.hold is None or not decision.hold.asked:
        return None
    asked = holds.in_place(tx, record.lease.task_key, attempt=record.lease.number)
    if asked is None or asked.hold_id != decision.hold.asked:
        return None
    holds.park(tx, asked)
    return asked


def _stuck(tx: Tx, record: LeaseRecord, outcome: Outcome) -> NewHold | None:
    """Returns the hold of a task whose attempt left what the one before has left, else None."""
    rejected = outcome.failure_class is FailureClass.VALIDATION_FAILED and record.task.failures > 0
    if not rejected or record.task.status is not TaskStatus.IN_PROGRESS or outcome.change is None:
        return None
    number = record.lease.number
    before = landings.rejected_before(tx, record.lease.task_key, number=number)
    if before is None:
        return None
    return no_progress(before, RejectedWork(number, outcome.change.patch, outcome.report))


def _earlier_findings(tx: Tx, task: Task, outcome: Outcome) -> Sequence[Sequence[str]]:
    """Reads the findings of the rejected attempts since the last reopening, the latest two at most."""
    if outcome.failure_class is not FailureClass.VALIDATION_FAILED or not task.failures:
        return ()
    return attempts.last_findings(tx, task.key, limit=min(2, task.failures))


def _end_attempt(tx: Tx, lease: Lease, decision: Decision, outcome: Outcome | None) -> None:
    attempts.end(
        tx,
        lease,
        decision.ended_as,
        failure_class=decision.failure_class,
        error=decision.error,
        reported=outcome if decision.keeps_report else None,
    )


def _refuse_unproven(tx: Tx, record: LeaseRecord, outcome: Outcome) -> None:
    """Refuses a completion without its proof.

    Raises: InvalidRequest.
    """
    lacks_verdict = outcome.verdict_passed is None and not outcome.validation_waived
    validate = land = None
    if outcome.kind is OutcomeKind.COMPLETED and (lacks_verdict or record.target_key is not None):
        # An attempt from before an order to land is heard again if its answer got lost.
        ordered = (
            0
            if record.lease.number <= record.task.work_of or record.starts_at in JUDGING
            else record.task.work_of
        )
        definition = claimed_definition(views.definition(tx, record.task.key), work_of=ordered)
        validate = definition.validate
        land = must_land(definition) if record.target_key is not None else None
    # An attempt that has ended did have a go, or is archived whatever its task's status is now.
    status = record.task.status if record.outcome is None else TaskStatus.IN_PROGRESS
    if fault := missing_proof(outcome, status, validate=validate, land=land, starts_at=record.starts_at):
        raise InvalidRequest("finished.outcome", fault)
