"""Reopening of ended tasks. Each public function is one write."""

from dataclasses import dataclass

from swarmd.domain.decision import survivors_text
from swarmd.domain.errors import InvalidStatus
from swarmd.domain.lifecycle import TaskStatus, Transition
from swarmd.domain.model import DependencyFailurePolicy, Task, TaskKey
from swarmd.engine.tasks import lookup
from swarmd.engine.tasks.transitions import apply
from swarmd.store import attempts, tasks
from swarmd.store.events import EventKind
from swarmd.store.transaction import Tx


@dataclass(frozen=True, slots=True)
class RetryResult:
    """The task of a retry, and the number of tasks that are no longer skipped because of it."""

    key: TaskKey
    revived: int


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
    if task.status in (TaskStatus.FAILED, TaskStatus.KILLED, TaskStatus.HELD):
        if not despite_survivors:
            _refuse_survivors(tx, task)
        reopen(tx, task)
    _check_alive(tx, tasks.get(tx, task.key))
    return RetryResult(task.key, skipped - tasks.count(tx, TaskStatus.SKIPPED))


def reopen(tx: Tx, task: Task) -> Task:
    """Reopens one task: all budgets are full again, attempt numbers go on."""
    return apply(
        tx,
        task,
        Transition.REOPEN,
        EventKind.TASK_REOPENED,
        failures=0,
        losses=0,
        landing_failures=0,
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
