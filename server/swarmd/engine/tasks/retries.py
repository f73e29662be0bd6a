"""Reopening of ended tasks. Each public function is one write."""

from collections.abc import Sequence
from dataclasses import dataclass

from swarmd.domain.decision import survivors_text
from swarmd.domain.errors import InvalidStatus
from swarmd.domain.lifecycle import TaskStatus, Transition
from swarmd.domain.model import DependencyFailurePolicy, Task, TaskId
from swarmd.engine.tasks import lookup
from swarmd.engine.tasks.transitions import apply
from swarmd.store import attempts, tasks
from swarmd.store.events import EventKind
from swarmd.store.transaction import Tx


@dataclass(frozen=True, slots=True)
class RetryResult:
    """The tasks that a retry named, and the number of dependents that are no longer skipped."""

    task_ids: Sequence[TaskId]
    revived: int


def retry(tx: Tx, task_ids: Sequence[str], *, failed: bool, despite_survivors: bool = False) -> RetryResult:
    """Reopens the tasks with full budgets; all of them, or none if one is refused.

    Tasks that wait or run are left alone. A skipped task is revived by the retry of the dependency that it was
    skipped for, so that dependency must be among them.
    """
    wanted = [lookup.resolve(tx, task_id) for task_id in task_ids]
    if failed:
        wanted += [task for task in tasks.with_status(tx, TaskStatus.FAILED) if task not in wanted]
    skipped = tasks.count(tx, TaskStatus.SKIPPED)
    for task in wanted:
        if task.status is TaskStatus.COMPLETED:
            raise InvalidStatus(task.task_id, task.status, doing="retry")
        if task.status in (TaskStatus.FAILED, TaskStatus.KILLED):
            if not despite_survivors:
                _refuse_survivors(tx, task)
            # Reopening one may have changed what another of them waits for.
            reopen(tx, tasks.get(tx, task.key))
    for task in wanted:
        _check_alive(tx, tasks.get(tx, task.key))
    revived = skipped - tasks.count(tx, TaskStatus.SKIPPED)
    return RetryResult([task.task_id for task in wanted], revived)


def reopen(tx: Tx, task: Task) -> Task:
    """Reopens one task: all budgets are full again, attempt numbers go on."""
    return apply(
        tx,
        task,
        Transition.REOPEN,
        EventKind.TASK_REOPENED,
        failures=0,
        losses=0,
        last_error="",
        failure_class=None,
        interrupted=False,
        backoff_s=0.0,
    )


def _refuse_survivors(tx: Tx, task: Task) -> None:
    """Refuses to start a task beside processes of its last attempt."""
    if left := attempts.survivors(tx, task.key):
        what = f"{survivors_text(left.processes)} on worker {left.worker}"
        raise InvalidStatus(
            task.task_id, task.status, doing="retry", hint=f"{what}; end them, then retry --despite-survivors"
        )


def _check_alive(tx: Tx, task: Task) -> None:
    """Refuses to leave a retried task behind a dependency that can't complete."""
    dead = tasks.dead_dependency(tx, task.key)
    if (
        dead is None
        or task.policy is not DependencyFailurePolicy.SKIP
        or task.status not in (TaskStatus.SKIPPED, TaskStatus.BLOCKED)
    ):
        return
    raise InvalidStatus(
        task.task_id, "skipped", doing="retry", hint=f"{dead[0]} is {dead[1]}: retry {dead[0]}, or both"
    )
