"""Results that come when their attempt has ended already.

Such a result is kept in any case. It counts by itself where that spends nothing and overrules nobody: the
worker had been given up, and since then no other attempt has started and no operator has stepped in. Any
other one counts if an operator says so.
"""

from typing import Final

from swarmd.domain.errors import ResultNotFound
from swarmd.domain.lifecycle import TaskStatus, Transition, advance
from swarmd.domain.model import AttemptOutcome, Lease, Outcome, OutcomeKind, Task, TaskId
from swarmd.engine.tasks import lookup
from swarmd.engine.tasks.transitions import change
from swarmd.store import attempts, events
from swarmd.store.attempts import LeaseRecord
from swarmd.store.events import EventKind
from swarmd.store.transaction import Tx

# Where a loss may have left the task. A kill since then leaves it elsewhere.
_AFTER_LOSS: Final = (TaskStatus.NOT_STARTED, TaskStatus.CLAIMED, TaskStatus.FAILED)


def archive(tx: Tx, lease: Lease, task: Task, outcome: Outcome) -> None:
    """Keeps a result for people."""
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


def still_counts(tx: Tx, record: LeaseRecord, outcome: Outcome) -> bool:
    """Whether the result of a lost attempt is what the task still waits for."""
    task = record.task
    return (
        outcome.kind is OutcomeKind.COMPLETED
        and record.outcome is AttemptOutcome.LOST
        and task.status in _AFTER_LOSS
        and task.losses > 0  # a new start would have put this to zero
        and not attempts.started_after(tx, task.key, record.lease.number)
    )


def accept(tx: Tx, task_id: str, number: int) -> TaskId:
    """Completes a task by an archived result, because an operator says so."""
    task = lookup.resolve(tx, task_id)
    advance(task.task_id, task.status, Transition.ACCEPT)
    return count(tx, task, number).task_id


def count(tx: Tx, task: Task, number: int) -> Task:
    """Makes the archived result of that attempt the task's."""
    if not attempts.accept_late(tx, task.key, number):
        raise ResultNotFound(task.task_id, number)
    return change(
        tx,
        task,
        Transition.ACCEPT,
        EventKind.RESULT_ACCEPTED,
        detail=f"attempt {number}",
        last_error="",
        failure_class=None,
        interrupted=False,
        backoff_s=0.0,
    )
