"""Retries by people. Each public function is one write, or one read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from swarmd.domain.errors import InvalidStatus
from swarmd.domain.landing import JUDGING, StartPoint
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import Task, TaskId, TaskKey
from swarmd.domain.retry_terms import PLAIN_RETRY, RetryTerms
from swarmd.engine.tasks import lookup
from swarmd.engine.tasks.demanding import set_demands
from swarmd.engine.tasks.putting_back import built_on, put_all_back, refuse_built
from swarmd.engine.tasks.reopening import refuse_dead_end, refuse_survivors, reopen
from swarmd.store import attempts, holds, landings, tasks
from swarmd.store.landings import LeftWork
from swarmd.store.reads import views
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
        _reopen(tx, task, terms, actor)
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
    if terms.starts_at in JUDGING:
        _work_to_judge(tx, task, terms.starts_at)
        return ()  # the work stays what it is
    if not completed and not terms.with_dependents:
        return ()
    built = built_on(tx, task, doing=_DOING)
    if not terms.with_dependents:
        refuse_built(task, built, doing=_DOING)
    return built


def _reopen(tx: Tx, task: Task, terms: RetryTerms, actor: str) -> None:
    detail = f"by {actor}" if actor else ""
    if terms.starts_at not in JUDGING:
        reopen(tx, task, detail=detail, retry_from=terms.retry_from)
        return
    work = _work_to_judge(tx, task, terms.starts_at).work
    set_demands(tx, task.key, work_in=work.repository, starts_at=terms.starts_at)
    alone = "its checks alone" if terms.starts_at is StartPoint.CHECKS else "its validator alone"
    detail = f"{alone}, on the work of attempt {work.attempt} {detail}".rstrip()
    reopen(tx, task, detail=detail, work_of=work.attempt, starts_at=terms.starts_at)


def _work_to_judge(tx: ReadTx, task: Task, start: StartPoint) -> LeftWork:
    """Returns the work that is checked or judged again. Raises InvalidStatus if there is none."""
    accepted = landings.accepted_work(tx, task.key)
    counts = accepted is not None and task.status is TaskStatus.COMPLETED
    number = accepted.work.attempt if accepted is not None and counts else None
    left = landings.left_work(tx, task.key, number=number)
    if left is None or (fault := _fault(tx, task, left, start)):
        hint = "no attempt has left work" if left is None else fault
        doing = "check" if start is StartPoint.CHECKS else "judge"
        raise InvalidStatus(task.task_id, task.status, doing=f"{doing} the work of", hint=hint)
    return left


def _fault(tx: ReadTx, task: Task, left: LeftWork, start: StartPoint) -> str:
    """Returns why the work can't be judged again, with what to do; empty if it can."""
    number, work = left.work.attempt, left.work
    if task.work_of and task.starts_at not in JUDGING:
        return f"the accepted work of attempt {task.work_of} is to land; a plain retry lands it"
    accepted = landings.accepted_work(tx, task.key)
    if accepted is not None and accepted.landed and number <= accepted.work.attempt:
        return "its work has landed; `swarmctl retry --completed` without the option runs it again"
    if left.in_clone and (not work.head or work.head == work.base):
        return f"attempt {number} changed no file"
    if left.in_clone and not work.ref:
        return f"no ref keeps the work of attempt {number}"
    return _lacks_verdict(tx, task, left, start)


def _lacks_verdict(tx: ReadTx, task: Task, left: LeftWork, start: StartPoint) -> str:
    """Returns why the work can't count by its checks alone; empty if it can."""
    number = left.work.attempt
    if start is not StartPoint.CHECKS or views.definition(tx, task.key).validate is False:
        return ""
    if not left.passed:
        return f"no validator has passed the work of attempt {number}; take --validator-only"
    if any(said.attempt >= number for said in holds.rejections(tx, task.key, limit=1)):
        return f"a person has rejected the work of attempt {number}; take --validator-only"
    return ""
