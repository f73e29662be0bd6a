"""Reopening of ended tasks. Each public function is one write."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.decision import survivors_text
from swarmd.domain.errors import InvalidStatus
from swarmd.domain.landing import StartPoint
from swarmd.domain.lifecycle import TaskStatus, Transition
from swarmd.domain.model import DependencyFailurePolicy, Task, TaskKey
from swarmd.engine.tasks import lookup
from swarmd.engine.tasks.transitions import apply
from swarmd.store import attempts, events, tasks
from swarmd.store.events import EventKind
from swarmd.store.runner_pauses import FaultHit
from swarmd.store.transaction import Tx


@dataclass(frozen=True, slots=True)
class RetryResult:
    """The task of a retry, and the number of tasks that are no longer skipped because of it."""

    key: TaskKey
    revived: int


# The statuses of tasks that will have another attempt, or may have one.
_GOES_ON: Final = (
    TaskStatus.BLOCKED,
    TaskStatus.NOT_STARTED,
    TaskStatus.CLAIMED,
    TaskStatus.IN_PROGRESS,
    TaskStatus.HELD,
)
# The statuses that a retry changes.
RETRIED: Final = (TaskStatus.FAILED, TaskStatus.KILLED, TaskStatus.HELD)


def retry(tx: Tx, name: str, *, despite_survivors: bool = False, with_hint: bool = True) -> RetryResult:
    """Reopens a task with full budgets; a task that waits or runs is left alone.

    The hold of a held task ends without an answer.

    Raises:
        InvalidStatus: the task is completed, is skipped because of a dependency that has not been retried, or has
            processes that could not be ended, unless `despite_survivors` is set.
    """
    task = lookup.resolve(tx, name, with_hint=with_hint)
    if task.status is TaskStatus.COMPLETED:
        raise InvalidStatus(task.task_id, task.status, doing="retry")
    skipped = tasks.count(tx, TaskStatus.SKIPPED)
    if task.status in RETRIED:
        if not despite_survivors:
            refuse_survivors(tx, task, doing="retry")
        reopen(tx, task)
    refuse_dead_end(tx, tasks.get(tx, task.key), doing="retry")
    return RetryResult(task.key, skipped - tasks.count(tx, TaskStatus.SKIPPED))


def reopen(tx: Tx, task: Task, *, detail: str = "", work_of: int = 0) -> Task:
    """Reopens one task: all budgets are full again, attempt numbers go on.

    The next attempt lands the accepted work of attempt `work_of`. If that is 0, it starts where it was to start before.
    """
    return apply(
        tx,
        task,
        Transition.REOPEN,
        EventKind.TASK_REOPENED,
        detail=detail,
        failures=0,
        losses=0,
        landing_failures=0,
        last_error="",
        failure_class=None,
        interrupted=False,
        backoff_s=0.0,
        starts_at=StartPoint.LANDING if work_of else task.starts_at,
        work_of=work_of or task.work_of,
        approved=_approved(task, work_of),
    )


def _approved(task: Task, work_of: int) -> ApprovalPoint | None:
    """Returns the approval in force after a reopening: who orders a landing approves it, and that of a start ends."""
    ordered = work_of > 0 and task.approve is ApprovalPoint.BEFORE_LANDING
    stands = task.approved is ApprovalPoint.BEFORE_LANDING
    return ApprovalPoint.BEFORE_LANDING if ordered or stands else None


def restore_retries(tx: Tx, key: TaskKey, hits: Sequence[FaultHit]) -> None:
    """Gives a task back the retries that it used up on the fault; if it has failed for it, it waits again."""
    task = tasks.get(tx, key)
    used = min(task.failures, sum(hit.charged for hit in hits))
    failed_for_it = task.status is TaskStatus.FAILED and task.attempt == hits[-1].number
    detail = f"{used} of its retries restored: its runner is at fault"
    if failed_for_it and not attempts.survivors(tx, key):
        apply(
            tx,
            task,
            Transition.REOPEN,
            EventKind.TASK_RESTORED,
            detail=detail,
            failures=task.failures - used,
            backoff_s=0.0,
        )
    elif used and task.status in _GOES_ON:
        tasks.save(tx, task._replace(failures=task.failures - used))
        events.append(
            tx,
            EventKind.TASK_RESTORED,
            task_id=task.task_id,
            status=task.status,
            attempt=task.attempt,
            cause=detail,
        )


def refuse_survivors(tx: Tx, task: Task, *, doing: str) -> None:
    """Refuses to start a task beside processes of its last attempt. Raises InvalidStatus."""
    if left := attempts.survivors(tx, task.key):
        what = f"{survivors_text(left.processes)} on worker {left.worker}"
        raise InvalidStatus(
            task.task_id, task.status, doing=doing, hint=f"{what}; end them, then retry --despite-survivors"
        )


def refuse_dead_end(tx: Tx, task: Task, *, doing: str) -> None:
    """Refuses to leave a reopened task behind a dependency that can't complete. Raises InvalidStatus."""
    dead = tasks.dead_dependency(tx, task.key)
    if (
        dead is None
        or task.policy is not DependencyFailurePolicy.SKIP
        or task.status not in (TaskStatus.SKIPPED, TaskStatus.BLOCKED)
    ):
        return
    raise InvalidStatus(
        task.task_id, "skipped", doing=doing, hint=f"{dead[0]} is {dead[1]}: retry {dead[0]}, or both"
    )
