"""Rejections of completed work. Each public function is one write, or one read.

Invariant: no completed work stands on work that was rejected: what has built on it is put back in the same write, or
the rejection is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Final

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.errors import HoldRefused, InvalidStatus
from swarmd.domain.holds import MAX_TEXT, HoldKind, NewHold, checked_text
from swarmd.domain.lifecycle import LEASED, TaskStatus, Transition
from swarmd.domain.model import Task, TaskId, TaskKey
from swarmd.engine.tasks import lookup
from swarmd.engine.tasks.approving import rejected, rejection, settled
from swarmd.engine.tasks.transitions import apply
from swarmd.store import holds, tasks
from swarmd.store.events import EventKind
from swarmd.store.reads import dependents
from swarmd.store.transaction import ReadTx, Tx

_DOING: Final = "reject"
# The ids that a refusal names.
SHOWN_IDS: Final = 10


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
    if built and not with_dependents:
        shown = ", ".join(each.task_id for each in built[:SHOWN_IDS])
        more = f" and {len(built) - SHOWN_IDS} more" if len(built) > SHOWN_IDS else ""
        hint = (
            f"{shown}{more} built on it; --with-dependents puts them back too, and --dry-run changes nothing"
        )
        raise InvalidStatus(task.task_id, task.status, doing=_DOING, hint=hint)
    _put_back(tx, task, text, actor)
    because = f"Task {task.task_id}, on which this one has built, was rejected and is done again: {text}"
    for each in built:
        _put_back(tx, tasks.get(tx, each.key), because[:MAX_TEXT], actor)
    return Rejection(task.key, [each.task_id for each in built])


def preview(tx: ReadTx, name: str) -> Rejection:
    """Returns what a rejection with dependents would put back now; raises the same InvalidStatus."""
    task = lookup.resolve(tx, name)
    return Rejection(task.key, [each.task_id for each in _built_on(tx, task)])


def _built_on(tx: ReadTx, task: Task) -> Sequence[Task]:
    """Returns the tasks whose work has begun from that of a completed task, directly or not, dependencies first.

    Those that have failed or were killed have left nothing that counts, and those that wait wait for the new work.
    """
    if task.status is not TaskStatus.COMPLETED:
        hint = "only completed work, or what waits for an approval, can be rejected"
        raise InvalidStatus(task.task_id, task.status, doing=_DOING, hint=hint)
    behind = dependents.behind(tx, task.key)
    if (running := next((each for each in behind if each.status in LEASED), None)) is not None:
        hint = f"{running.task_id} depends on it and is {running.status}; wait for its end, or kill it"
        raise InvalidStatus(task.task_id, task.status, doing=_DOING, hint=hint)
    built = {each.key: each for each in behind if _has_built(tx, each)}
    order: TopologicalSorter[TaskKey] = TopologicalSorter(dict.fromkeys(built, ()))
    for key, dependency in dependents.edges_among(tx, list(built)):
        order.add(key, dependency)
    return [built[key] for key in order.static_order()]


def _has_built(tx: ReadTx, task: Task) -> bool:
    if task.status is not TaskStatus.HELD:
        return task.status is TaskStatus.COMPLETED
    lasting = holds.lasting(tx, task.key)
    return lasting is not None and lasting.point not in (None, ApprovalPoint.BEFORE_START)


def _put_back(tx: Tx, task: Task, text: str, actor: str) -> None:
    """Reopens a task with a finding for its next builder."""
    if task.status is TaskStatus.HELD:
        holds.end(tx, task.key, ended_by=actor)
    said = NewHold(
        HoldKind.APPROVAL, f"the work until attempt {task.attempt} was completed", point=ApprovalPoint.AFTER
    )
    holds.begin(tx, task.key, said, attempt=task.attempt)
    holds.end(tx, task.key, ended_by=actor, answer=text)
    reason = rejection(text, actor)
    apply(tx, task, Transition.REOPEN, EventKind.TASK_REJECTED, detail=reason, **rejected(reason))
