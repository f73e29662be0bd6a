"""Retries by people. Each public function is one write, or one read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from swarmd.domain.errors import InvalidStatus
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import Task, TaskId, TaskKey
from swarmd.domain.retry_terms import PLAIN_RETRY, RetryTerms
from swarmd.engine.tasks import lookup
from swarmd.engine.tasks.putting_back import built_on, put_all_back, refuse_built
from swarmd.engine.tasks.reopening import refuse_dead_end, refuse_survivors, reopen
from swarmd.store import attempts, tasks
from swarmd.store.transaction import ReadTx, Tx

# The statuses that a retry changes.
RETRIED: Final = (TaskStatus.FAILED, TaskStatus.KILLED, TaskStatus.HELD)
_DOING: Final = "retry"


@dataclass(frozen=True, slots=True)
class RetryResult:
    """The task of a retry, how many tasks are no longer skipped because of it, and which are put back."""

    key: TaskKey
    revived: int
    dependents: Sequence[TaskId] = ()


def retry(
    tx: Tx, name: str, *, terms: RetryTerms = PLAIN_RETRY, actor: str = "", with_hint: bool = True
) -> RetryResult:
    """Reopens a task with full budgets; a task that waits or runs is left alone.

    The hold of a held task ends without an answer. The work of a completed task stays where it is, and the next attempt
    builds on it.

    Raises:
        InvalidStatus: the task is completed and the terms don't say so, or something has built on it; it is skipped
            because of a dependency that has not been retried; it has processes that could not be ended.
    """
    task = lookup.resolve(tx, name, with_hint=with_hint)
    built = _put_back_by(tx, task, terms)
    skipped = tasks.count(tx, TaskStatus.SKIPPED)
    if task.status in (*RETRIED, TaskStatus.COMPLETED):
        if not terms.despite_survivors:
            refuse_survivors(tx, task, doing=_DOING)
        detail = f"by {actor}" if actor else ""
        reopen(tx, task, detail=detail, retry_from=terms.retry_from)
        because = (
            f"Task {task.task_id}, on which this one has built, runs again: see whether this still fits."
        )
        put_all_back(tx, built, because, actor)
    refuse_dead_end(tx, tasks.get(tx, task.key), doing=_DOING)
    revived = skipped - tasks.count(tx, TaskStatus.SKIPPED)
    return RetryResult(task.key, revived, [each.task_id for each in built])


def preview(tx: ReadTx, name: str, *, terms: RetryTerms) -> RetryResult:
    """Returns the task and what a retry by these terms would put back now; raises what it would raise for that."""
    task = lookup.resolve(tx, name)
    return RetryResult(task.key, 0, [each.task_id for each in _put_back_by(tx, task, terms)])


def _put_back_by(tx: ReadTx, task: Task, terms: RetryTerms) -> Sequence[Task]:
    """Returns what a retry by these terms puts back. Raises InvalidStatus if the terms don't allow the retry."""
    completed = task.status is TaskStatus.COMPLETED
    if completed and not terms.completed:
        hint = "--completed runs it again, and --dry-run says what that does"
        raise InvalidStatus(task.task_id, task.status, doing=_DOING, hint=hint)
    if task.status not in (*RETRIED, TaskStatus.COMPLETED):
        return ()
    if terms.retry_from is not None and attempts.is_in_project_root(tx, task.key):
        hint = "its last attempt worked in the project root itself, where its files are; leave --from out"
        raise InvalidStatus(task.task_id, task.status, doing=_DOING, hint=hint)
    if not completed and not terms.with_dependents:
        return ()
    built = built_on(tx, task, doing=_DOING)
    if not terms.with_dependents:
        refuse_built(task, built, doing=_DOING)
    return built
