"""Reopening of ended tasks. Each public function is one write."""

from collections.abc import Sequence
from dataclasses import dataclass

from swarmd.domain.errors import InvalidStatus
from swarmd.domain.lifecycle import TaskStatus, Transition
from swarmd.domain.model import DependencyFailurePolicy, Task, TaskId
from swarmd.engine.tasks import lookup
from swarmd.engine.tasks.transitions import apply
from swarmd.store import tasks
from swarmd.store.events import EventKind
from swarmd.store.transaction import Tx


@dataclass(frozen=True, slots=True)
class RetryResult:
    """The tasks that a retry named, and the number of dependents that are no longer skipped."""

    task_ids: Sequence[TaskId]
    revived: int


def retry(tx: Tx, task_ids: Sequence[str], *, failed: bool) -> RetryResult:
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
