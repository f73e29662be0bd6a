"""Reopening of ended tasks. Each public function is one write."""

from collections.abc import Sequence
from typing import Final

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.decision import survivors_text
from swarmd.domain.errors import InvalidStatus
from swarmd.domain.landing import JUDGING, StartPoint
from swarmd.domain.lifecycle import TaskStatus, Transition
from swarmd.domain.model import DependencyFailurePolicy, Task, TaskKey
from swarmd.domain.workspaces import RetryFrom
from swarmd.engine.tasks.transitions import apply
from swarmd.store import attempts, events, landings, tasks
from swarmd.store.events import EventKind
from swarmd.store.runner_pauses import FaultHit
from swarmd.store.transaction import Tx

# The statuses of tasks that will have another attempt, or may have one.
_GOES_ON: Final = (
    TaskStatus.BLOCKED,
    TaskStatus.NOT_STARTED,
    TaskStatus.CLAIMED,
    TaskStatus.IN_PROGRESS,
    TaskStatus.HELD,
)
# Begins the event of a task whose accepted work is done again.
DONE_AGAIN: Final = "accepted work is done again"


def reopen(
    tx: Tx,
    task: Task,
    *,
    detail: str = "",
    work_of: int = 0,
    starts_at: StartPoint = StartPoint.LANDING,
    retry_from: RetryFrom | None = None,
) -> Task:
    """Reopens one task: all budgets are full again, attempt numbers go on.

    The next attempt starts at `starts_at` with the work of attempt `work_of`. If that is 0, it lands what it was to
    land before, or starts with a builder. `retry_from` is what that starts from; None: as the definition and the end
    of the attempt before say.
    """
    judged = task.starts_at in JUDGING
    stands = 0 if judged else task.work_of
    if not (work_of or stands) and _is_done(tx, task):
        # Its landing is known, and the next attempt must not take it for its own.
        landings.rename(tx, task.key)
        detail = f"{DONE_AGAIN} {detail}".rstrip()
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
        starts_at=starts_at if work_of else StartPoint.BUILDER if judged else task.starts_at,
        work_of=work_of or stands,
        approved=_approved(task, work_of if starts_at is StartPoint.LANDING else 0),
        retry_from=retry_from,
    )


def _is_done(tx: Tx, task: Task) -> bool:
    """Returns whether the task's latest attempt with a go has completed."""
    accepted = landings.accepted_work(tx, task.key)
    return accepted is not None and not attempts.started_after(tx, task.key, accepted.work.attempt)


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
