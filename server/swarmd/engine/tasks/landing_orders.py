"""Orders to land the accepted work of a task. Each public function is one write.

Invariant: an order never loses accepted work. The task keeps the number of the attempt that did it until the work has
landed, or until that work turns out to be gone.
"""

from typing import Final, NamedTuple

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.errors import InvalidStatus
from swarmd.domain.landing import KeptWork
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import Task, TaskKey
from swarmd.engine.tasks import lookup
from swarmd.engine.tasks.demanding import set_demands
from swarmd.engine.tasks.reopening import refuse_dead_end, refuse_survivors, reopen
from swarmd.store import landings, tasks
from swarmd.store.transaction import ReadTx, Tx

_DOING: Final = "land"


class LandOrder(NamedTuple):
    """The task of an order, whether the order reopened it, and how many tasks that have not started wait for it now."""

    key: TaskKey
    reopened: bool
    waiting: int = 0


def land(tx: Tx, name: str, *, with_hint: bool = True) -> LandOrder:
    """Reopens a task so that its next attempt lands the work of its completed attempt.

    A task whose work has landed, or whose landing is under way, is left alone.

    Raises:
        InvalidStatus: the task is not completed, or no ref keeps work of it.
    """
    task = lookup.resolve(tx, name, with_hint=with_hint)
    interrupted = task.work_of > 0 and task.status in (TaskStatus.FAILED, TaskStatus.KILLED)
    if task.status is not TaskStatus.COMPLETED and not interrupted:
        if task.work_of > 0:
            return LandOrder(task.key, reopened=False)
        hint = f"only completed work lands; see `swarmctl explain {task.task_id}`"
        raise InvalidStatus(task.task_id, task.status, doing=_DOING, hint=hint)
    accepted = landings.accepted_work(tx, task.key)
    if accepted is not None and accepted.landed:
        return LandOrder(task.key, reopened=False)
    if fault := _fault(accepted):
        raise InvalidStatus(task.task_id, task.status, doing=_DOING, hint=fault)
    assert accepted is not None
    refuse_survivors(tx, task, doing=_DOING)
    return _reopened(tx, task, accepted.work)


def land_accepted(tx: Tx, task: Task) -> Task:
    """Reopens a task whose result a person has just accepted, if that work was kept until somebody approves it."""
    accepted = landings.accepted_work(tx, task.key)
    if task.approve is not ApprovalPoint.BEFORE_LANDING or accepted is None or accepted.landed:
        return task
    if not _fault(accepted):
        _reopened(tx, task, accepted.work)
    return tasks.get(tx, task.key)


def work_to_land(tx: ReadTx, task: Task) -> KeptWork | None:
    """Returns the work that an operator has ordered to land, None without such an order."""
    accepted = landings.accepted_work(tx, task.key) if task.work_of else None
    return None if accepted is None else accepted.work


def _reopened(tx: Tx, task: Task, work: KeptWork) -> LandOrder:
    set_demands(tx, task.key, work_in=work.repository)
    detail = f"to land the work of attempt {work.attempt}"
    reopen(tx, task, detail=detail, work_of=work.attempt)
    refuse_dead_end(tx, tasks.get(tx, task.key), doing=_DOING)
    return LandOrder(task.key, reopened=True, waiting=landings.count_waiting(tx, task.key))


def _fault(accepted: "landings.AcceptedWork | None") -> str:
    """Returns why there is no work to land, with what to do; empty if there is some."""
    if accepted is None:
        return "no attempt of this swarm has completed it, so there is no work to land"
    work = accepted.work
    if not accepted.in_clone:
        return f"attempt {work.attempt} worked in the project root itself, where its files are"
    if not work.head or work.head == work.base:
        return f"attempt {work.attempt} changed no file, so there is nothing to land"
    if not work.ref:
        return f"no ref keeps the work of attempt {work.attempt}; look for commit {work.head[:12]} in the repository"
    return ""
