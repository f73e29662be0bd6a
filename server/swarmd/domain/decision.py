"""Decisions about ended attempts: pure functions of the task, the outcome and the retry policy.

The engine reads the record, calls `decide` or `decide_lost`, and writes the decision in one place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypedDict

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.holds import NewHold, approval_of, question_of
from swarmd.domain.landing import JUDGING, StartPoint
from swarmd.domain.lifecycle import TaskStatus, Transition
from swarmd.domain.model import AttemptOutcome, FailureClass, Outcome, OutcomeKind, Task
from swarmd.domain.policy import (
    LANDING_FAILURES,
    Backoff,
    decide_retry,
    findings_of,
    provider_wait_s,
    repeated_findings,
    stopped_as,
)
from swarmd.domain.workspaces import RetryFrom

# A declined claim waits this long, so that a worker that can't start the task doesn't claim it in a loop.
DECLINED_BACKOFF_S: Final = 5.0
# The kinds of outcomes that carry a result worth keeping after a kill.
RESULTS: Final = (OutcomeKind.COMPLETED, OutcomeKind.FAILED)


class TaskUpdate(TypedDict, total=False):
    """The fields of a task that may change together with its status."""

    attempt: int
    failures: int
    losses: int
    landing_failures: int
    last_error: str
    failure_class: FailureClass | None
    interrupted: bool
    backoff_s: float
    started_us: int | None
    starts_at: StartPoint
    work_of: int
    approved: ApprovalPoint | None
    retry_from: RetryFrom | None


# The update of a task whose order to land is carried out, or can't be.
NO_ORDER: Final = TaskUpdate(starts_at=StartPoint.BUILDER, work_of=0, approved=None)

# The update of a task that may fail as often again as at its beginning.
FULL_BUDGETS: Final = TaskUpdate(failures=0, losses=0, landing_failures=0)


@dataclass(frozen=True, slots=True)
class RetryRule:
    """The backoff, and the source of chance (0 to 1) that spreads it; `chance` is called once a wait is drawn."""

    backoff: Backoff
    chance: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Decision:
    """The end of an attempt and the transition of its task."""

    ended_as: AttemptOutcome
    transition: Transition
    # Of the attempt.
    failure_class: FailureClass | None = None
    error: str = ""
    # Of the task's event: `cause` stays with the task, `detail` does not.
    cause: str = ""
    detail: str = ""
    update: TaskUpdate = field(default_factory=TaskUpdate)
    # With the transition HOLD: what the task waits for.
    hold: NewHold | None = None
    # The outcome is stored as the report of the attempt; as a late result.
    keeps_report: bool = True
    archives: bool = False
    # The provider asked to wait: the worker gets no claims for this long.
    holds_worker_s: float = 0.0


def decide(
    task: Task,
    outcome: Outcome,
    rule: RetryRule,
    *,
    earlier_findings: Sequence[Sequence[str]],
    interruptions: int = 0,
    starts_at: StartPoint = StartPoint.BUILDER,
    was_accepted: bool = False,
    stuck: NewHold | None = None,
) -> Decision:
    """Decides on the outcome of the task's open attempt.

    `earlier_findings` are the ids of the findings of the latest rejected attempts, the latest first; `interruptions`
    counts the attempts right before this one that were interrupted. `starts_at` is where the attempt started: of work
    that it lands nobody is asked again, and if it only judges, no builder follows. `was_accepted`: the work that it
    judges had counted before. `stuck` is set if the attempt changed nothing any more.
    """
    if task.status is TaskStatus.KILLING:
        # A kill wins over a result that comes later; the result is kept.
        left = outcome.survivors
        return _killed(task, error=task.cause, archives=outcome.kind in RESULTS, survivors=left)
    landed = outcome.landing is not None and outcome.landing.found and outcome.kind is OutcomeKind.COMPLETED
    if task.status is TaskStatus.CLAIMED and outcome.kind is not OutcomeKind.FAILED and not landed:
        # No session ever had a go, whatever the outcome says.
        return release(outcome.error or outcome.kind, backoff_s=DECLINED_BACKOFF_S)
    # A worker that fails before the go is charged like a session that fails: free of charge, it could loop forever.
    if outcome.kind is OutcomeKind.COMPLETED:
        return _decide_completed(task, outcome, lands_work=starts_at is StartPoint.LANDING)
    if starts_at in JUDGING:
        return _decide_judged(task, outcome, rule, was_accepted=was_accepted, interruptions=interruptions)
    if stuck is not None and task.failures < task.max_retries and not outcome.survivors:
        return _hold(FailureClass.VALIDATION_FAILED, outcome.error, stuck)
    return _decide_failed(task, outcome, rule, earlier_findings, interruptions=interruptions)


def _decide_completed(task: Task, outcome: Outcome, *, lands_work: bool) -> Decision:
    """Decides on accepted work, which may wait for the approval of a person."""
    update = TaskUpdate(last_error="", failure_class=None, **NO_ORDER)
    hold = None if lands_work else approval_of(task, outcome, attempt=task.attempt)
    if hold is None:
        return Decision(AttemptOutcome.COMPLETED, Transition.COMPLETE, update=update)
    detail = f"{hold.kind}: {hold.text}"
    return Decision(AttemptOutcome.COMPLETED, Transition.HOLD, detail=detail, update=update, hold=hold)


def _decide_failed(
    task: Task,
    outcome: Outcome,
    rule: RetryRule,
    earlier_findings: Sequence[Sequence[str]],
    *,
    interruptions: int,
) -> Decision:
    """Decides on an attempt that did not succeed, of which no kill is the cause."""
    # A worker that ended the sessions without an order from here was going down itself.
    stopped = outcome.kind is not OutcomeKind.FAILED
    failure = (
        stopped_as(outcome, interruptions) if stopped else outcome.failure_class or FailureClass.AGENT_ERROR
    )
    error = outcome.error or ("the worker ended the session" if stopped else failure)
    lands_kept = task.starts_at is StartPoint.LANDING and task.status is TaskStatus.CLAIMED
    approved = task.approved is ApprovalPoint.BEFORE_LANDING
    if failure is FailureClass.WORK_MISSING and lands_kept and not approved:
        return _withdraw(failure, error)
    if failure is FailureClass.VALIDATION_FAILED:
        recurring = repeated_findings([findings_of(outcome), *earlier_findings])
        if recurring:
            reason = f"{', '.join(recurring)} came back unchanged twice: {error}"
            return _give_up(task, failure, error, reason)
    if outcome.survivors:
        # Another attempt would run beside what is left of this one.
        return _give_up(task, failure, error, f"{survivors_text(outcome.survivors)}: {error}")
    if failure is FailureClass.BUILDER_BLOCKED and task.status is TaskStatus.IN_PROGRESS:
        return _hold(failure, error, question_of(outcome.report, error))
    decision = _judge(task, failure, error, rule, retry_after_s=outcome.retry_after_s)
    return replace(decision, update={**decision.update, **_next_start(failure, outcome, approved=approved)})


def _decide_judged(
    task: Task, outcome: Outcome, rule: RetryRule, *, was_accepted: bool, interruptions: int
) -> Decision:
    """Decides on an attempt that judged work which was there and did not succeed.

    What says nothing about the work is tried again. Anything else is final: a person asked for no builder.
    """
    found = _decide_failed(task, outcome, rule, (), interruptions=interruptions)
    if (
        found.failure_class is FailureClass.WORK_MISSING
        and was_accepted
        and task.status is TaskStatus.CLAIMED
    ):
        return _withdraw(FailureClass.WORK_MISSING, found.error)
    free = found.update.get("failures", task.failures) == task.failures
    if found.transition is Transition.RETRY and free and found.failure_class not in LANDING_FAILURES:
        return found
    update: TaskUpdate = {**found.update, **NO_ORDER, "backoff_s": 0.0}
    return replace(found, transition=Transition.GIVE_UP, update=update, hold=None)


def _next_start(failure: FailureClass, outcome: Outcome, *, approved: bool) -> TaskUpdate:
    """Returns where the next attempt starts, if that changes; `approved`: a person has approved the landing."""
    if approved and (failure is FailureClass.WORK_MISSING or outcome.verdict_passed is False):
        return NO_ORDER  # what a builder does now is other work, which nobody has approved
    if failure in LANDING_FAILURES and outcome.verdict_passed is False:
        # The findings are for a builder. Without any, it was git that failed, and the same work is landed again.
        return TaskUpdate(starts_at=StartPoint.BUILDER)
    return TaskUpdate()


def decide_lost(task: Task, cause: str, rule: RetryRule) -> Decision:
    """Decides on an open attempt whose worker is gone for certain."""
    if task.status is TaskStatus.CLAIMED:
        return release(cause)
    if task.status is TaskStatus.KILLING:
        return _killed(task, error=cause)
    return _judge(task, FailureClass.WORKER_LOST, cause, rule, ended_as=AttemptOutcome.LOST)


def release(cause: str, *, backoff_s: float = 0.0) -> Decision:
    """Decides to give a claim back, at no cost to the budgets of the task."""
    return Decision(
        AttemptOutcome.RELEASED,
        Transition.RELEASE,
        error=cause,
        detail=cause,
        update=TaskUpdate(backoff_s=backoff_s),
        keeps_report=False,
    )


def _killed(task: Task, *, error: str, archives: bool = False, survivors: int = 0) -> Decision:
    return Decision(
        AttemptOutcome.KILLED,
        Transition.FINISH_KILL,
        error=error,
        cause=task.cause,
        update=TaskUpdate(last_error=survivors_text(survivors)) if survivors else TaskUpdate(),
        archives=archives,
    )


def survivors_text(count: int) -> str:
    """Returns the number of processes that could not be ended, in words."""
    return f"{count} process{'' if count == 1 else 'es'} could not be ended"


def _withdraw(failure: FailureClass, error: str) -> Decision:
    """Ends an order to land: the task is completed as before, since a lost ref makes no accepted work undone."""
    return Decision(
        AttemptOutcome.FAILED,
        Transition.WITHDRAW,
        failure_class=failure,
        error=error,
        detail=error,
        update=TaskUpdate(last_error=error, failure_class=failure, **NO_ORDER),
    )


def _give_up(task: Task, failure: FailureClass, error: str, reason: str) -> Decision:
    """Ends a task with budget left, since more attempts would only cost more."""
    update = TaskUpdate(failures=task.failures + 1, last_error=reason, failure_class=failure)
    return Decision(
        AttemptOutcome.FAILED,
        Transition.GIVE_UP,
        failure_class=failure,
        error=error,
        detail=reason,
        update=update,
    )


def _hold(failure: FailureClass, error: str, hold: NewHold) -> Decision:
    """Ends the attempt and holds the task, at no cost to its budgets."""
    return Decision(
        AttemptOutcome.FAILED,
        Transition.HOLD,
        failure_class=failure,
        error=error,
        detail=f"{hold.kind}: {hold.text}",
        update=TaskUpdate(last_error=error, failure_class=failure),
        hold=hold,
    )


def _judge(
    task: Task,
    failure: FailureClass,
    error: str,
    rule: RetryRule,
    *,
    retry_after_s: float | None = None,
    ended_as: AttemptOutcome = AttemptOutcome.FAILED,
) -> Decision:
    verdict = decide_retry(
        task, failure, backoff=rule.backoff, chance=rule.chance(), retry_after_s=retry_after_s
    )
    update = TaskUpdate(
        failures=verdict.failures,
        losses=verdict.losses,
        landing_failures=verdict.landing_failures,
        last_error=error,
        failure_class=failure,
        backoff_s=verdict.backoff_s if verdict.retry else 0.0,
    )
    return Decision(
        ended_as,
        Transition.RETRY if verdict.retry else Transition.GIVE_UP,
        failure_class=failure,
        error=error,
        detail=f"{failure}: {error}",
        update=update,
        holds_worker_s=provider_wait_s(retry_after_s) if failure is FailureClass.PROVIDER_LIMITED else 0.0,
    )
