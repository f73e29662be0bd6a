"""Results that arrive after their attempt has ended.

Such a result is always archived. It completes the task by itself if the worker had been given up, and since then no
other attempt has started and no operator has stepped in. Any other late result counts only if an operator accepts it.
"""

from typing import Final

from swarmd.domain.decision import NO_ORDER, TaskUpdate
from swarmd.domain.errors import ResultNotFound
from swarmd.domain.holds import NewHold
from swarmd.domain.lifecycle import TaskStatus, Transition, advance
from swarmd.domain.model import AttemptOutcome, Lease, Outcome, OutcomeKind, Task, TaskId
from swarmd.engine.tasks import landing_orders, lookup
from swarmd.engine.tasks.transitions import apply
from swarmd.store import attempts, events, holds, landings
from swarmd.store.attempts import LeaseRecord
from swarmd.store.events import EventKind
from swarmd.store.transaction import Tx

# The statuses that a lost attempt leaves its task in. A later kill leaves another one.
_AFTER_LOSS: Final = (TaskStatus.NOT_STARTED, TaskStatus.CLAIMED, TaskStatus.FAILED)


def archive(tx: Tx, lease: Lease, task: Task, outcome: Outcome) -> None:
    """Stores a result that does not count, for operators to read and to accept."""
    if attempts.archive(tx, lease.attempt_key, outcome):
        events.append(
            tx,
            EventKind.RESULT_ARCHIVED,
            task_id=lease.task_id,
            status=task.status,
            attempt=lease.number,
            worker=lease.worker,
            cause=f"{outcome.kind} came too late",
        )


def counts_by_itself(tx: Tx, record: LeaseRecord, outcome: Outcome) -> bool:
    """Returns whether the result of a lost attempt may complete the task without an operator."""
    task = record.task
    return (
        outcome.kind is OutcomeKind.COMPLETED
        and record.outcome is AttemptOutcome.LOST
        and task.status in _AFTER_LOSS
        and task.losses > 0  # a reopened task has 0
        and not attempts.started_after(tx, task.key, record.lease.number)
    )


def accept(tx: Tx, task_id: str, number: int) -> TaskId:
    """Completes a task by an archived result, on an operator's request."""
    task = lookup.resolve(tx, task_id)
    advance(task.task_id, task.status, Transition.ACCEPT)
    return landing_orders.land_accepted(tx, complete_by(tx, task, number)).task_id


def complete_by(tx: Tx, task: Task, number: int, *, hold: NewHold | None = None) -> Task:
    """Completes the task by the archived result of that attempt, or holds it until a person approves that work.

    Raises:
        ResultNotFound: that attempt has no archived result.
    """
    if not attempts.accept_late(tx, task.key, number):
        raise ResultNotFound(task.task_id, number)
    record = attempts.find(tx, task.key, number)
    if record is not None and record.target_key is not None:
        landings.learn_tip(tx, record.lease.attempt_key)
    if hold is not None:
        holds.begin(tx, task.key, hold, attempt=number)
    return apply(
        tx,
        task,
        Transition.ACCEPT if hold is None else Transition.HOLD,
        EventKind.RESULT_ACCEPTED if hold is None else EventKind.TASK_HELD,
        detail=f"attempt {number}" if hold is None else f"{hold.kind}: {hold.text}",
        **TaskUpdate(last_error="", failure_class=None, interrupted=False, backoff_s=0.0, **NO_ORDER),
    )
