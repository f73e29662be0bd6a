"""Ends of attempts whose task may spend no more: the task is held, at no cost to its retries."""

from swarmd.domain.budget import BudgetEnd
from swarmd.domain.decision import Decision, TaskUpdate
from swarmd.domain.holds import HoldKind, NewHold
from swarmd.domain.lifecycle import TaskStatus, Transition
from swarmd.domain.model import FailureClass, Task


def within_budget(task: Task, decided: Decision, budget: BudgetEnd | None, *, stopped: bool) -> Decision:
    """Returns the decision about an attempt, if its task may spend no more; any other decision as it is.

    `stopped` says that the sessions have ended for an order, and that nothing of them is left. A task that would be
    retried is held, and so is one whose sessions were ended for its budget. If its cap was raised meanwhile, such a
    task goes on at no cost.
    """
    if budget is None or task.status is not TaskStatus.IN_PROGRESS:
        return decided
    ended = budget.ordered and stopped
    if decided.transition is not Transition.RETRY and not ended:
        return decided
    if budget.used_up:
        return _held(decided, budget, ended=ended)
    return _free_of_charge(decided) if ended else decided


def _held(decided: Decision, budget: BudgetEnd, *, ended: bool) -> Decision:
    failure = FailureClass.BUDGET_EXHAUSTED if ended else decided.failure_class
    hold = NewHold(HoldKind.BUDGET, budget.used_up, budget_key=budget.budget_key)
    text = f"{hold.kind}: {budget.used_up}"
    error = text if ended else decided.error
    return Decision(
        decided.ended_as,
        Transition.HOLD,
        failure_class=failure,
        error=error,
        detail=text,
        update=TaskUpdate(last_error=error, failure_class=failure),
        hold=hold,
    )


def _free_of_charge(decided: Decision) -> Decision:
    failure = FailureClass.BUDGET_EXHAUSTED
    return Decision(
        decided.ended_as,
        Transition.RETRY,
        failure_class=failure,
        error=decided.error,
        detail="its cap was raised",
        update=TaskUpdate(last_error="", failure_class=failure, backoff_s=0.0),
    )
