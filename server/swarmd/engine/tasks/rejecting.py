"""Rejections of completed work. Each public function is one write, or one read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from swarmd.domain.errors import HoldRefused, InvalidStatus
from swarmd.domain.holds import checked_text
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import Task, TaskId, TaskKey
from swarmd.engine.tasks import lookup
from swarmd.engine.tasks.approving import settled
from swarmd.engine.tasks.putting_back import built_on, put_all_back, put_back, refuse_built
from swarmd.store import holds
from swarmd.store.transaction import ReadTx, Tx

_DOING: Final = "reject"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A rejected task, and the tasks that are put back because they have built on it, dependencies first."""

    key: TaskKey
    dependents: Sequence[TaskId]


def reject_completed(tx: Tx, name: str, *, text: str, with_dependents: bool, actor: str) -> Rejection:
    """Reopens a completed task with a finding; its work stays where it is, and the next attempt builds on it.

    The same rejection by the same person may come again.

    Raises:
        InvalidStatus: the task is not completed, a dependent runs, or one has built on it and `with_dependents` is not
            set. HoldRefused: somebody has rejected the work already.
        InvalidRequest: the reason is empty or too long.
    """
    task = lookup.resolve(tx, name)
    checked_text("text", text)
    if task.status is not TaskStatus.COMPLETED and (before := holds.rejections(tx, task.key, limit=1)):
        if (before[-1].answer, before[-1].ended_by) == (text, actor):
            return Rejection(task.key, ())
        raise HoldRefused(task.task_id, settled(before[-1]))
    built = _built_on(tx, task)
    if not with_dependents:
        refuse_built(task, built, doing=_DOING)
    put_back(tx, task, text, actor)
    because = f"Task {task.task_id}, on which this one has built, was rejected and is done again: {text}"
    put_all_back(tx, built, because, actor)
    return Rejection(task.key, [each.task_id for each in built])


def preview(tx: ReadTx, name: str) -> Rejection:
    """Returns what a rejection with dependents would put back now; raises the same InvalidStatus."""
    task = lookup.resolve(tx, name)
    return Rejection(task.key, [each.task_id for each in _built_on(tx, task)])


def _built_on(tx: ReadTx, task: Task) -> Sequence[Task]:
    if task.status is not TaskStatus.COMPLETED:
        hint = "only completed work, or what waits for an approval, can be rejected"
        raise InvalidStatus(task.task_id, task.status, doing=_DOING, hint=hint)
    return built_on(tx, task, doing=_DOING)
