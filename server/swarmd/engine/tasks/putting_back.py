"""Tasks whose work has begun from that of another task, and that are put back when it is done again.

Invariant: no completed work stands on work that is done again: what has built on it is put back in the same write, or
the write is refused.
"""

from collections.abc import Sequence
from graphlib import TopologicalSorter
from typing import Final

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.errors import InvalidStatus
from swarmd.domain.holds import MAX_TEXT, HoldKind, NewHold
from swarmd.domain.lifecycle import LEASED, TaskStatus, Transition
from swarmd.domain.model import Task, TaskKey
from swarmd.engine.tasks.approving import rejected, rejection
from swarmd.engine.tasks.transitions import apply
from swarmd.store import holds, landings, tasks
from swarmd.store.events import EventKind
from swarmd.store.reads import dependents
from swarmd.store.transaction import ReadTx, Tx

# The ids that a refusal names.
SHOWN_IDS: Final = 10


def built_on(tx: ReadTx, task: Task, *, doing: str) -> Sequence[Task]:
    """Returns the tasks whose work has begun from that of the task, directly or not, dependencies first.

    Those that have failed or were killed have left nothing that counts, and those that wait wait for the new work.

    Raises:
        InvalidStatus: a worker has a dependent of the task.
    """
    behind = dependents.behind(tx, task.key)
    if (running := next((each for each in behind if each.status in LEASED), None)) is not None:
        hint = f"{running.task_id} depends on it and is {running.status}; wait for its end, or kill it"
        raise InvalidStatus(task.task_id, task.status, doing=doing, hint=hint)
    built = {each.key: each for each in behind if has_built(tx, each)}
    order: TopologicalSorter[TaskKey] = TopologicalSorter(dict.fromkeys(built, ()))
    for key, dependency in dependents.edges_among(tx, list(built)):
        order.add(key, dependency)
    return [built[key] for key in order.static_order()]


def refuse_built(task: Task, built: Sequence[Task], *, doing: str) -> None:
    """Refuses to do work again on which other tasks have built. Raises InvalidStatus."""
    if not built:
        return
    shown = ", ".join(each.task_id for each in built[:SHOWN_IDS])
    more = f" and {len(built) - SHOWN_IDS} more" if len(built) > SHOWN_IDS else ""
    hint = f"{shown}{more} built on it; --with-dependents puts them back too, and --dry-run changes nothing"
    raise InvalidStatus(task.task_id, task.status, doing=doing, hint=hint)


def has_built(tx: ReadTx, task: Task) -> bool:
    """Returns whether the task is completed, or its work waits for an approval."""
    if task.status is not TaskStatus.HELD:
        return task.status is TaskStatus.COMPLETED
    lasting = holds.lasting(tx, task.key)
    return lasting is not None and lasting.point not in (None, ApprovalPoint.BEFORE_START)


def put_back(tx: Tx, task: Task, text: str, actor: str) -> None:
    """Reopens a task whose work has counted, or was about to, with a finding for its next builder."""
    if task.status is TaskStatus.HELD:
        holds.end(tx, task.key, ended_by=actor)
    said = NewHold(
        HoldKind.APPROVAL, f"the work until attempt {task.attempt} was completed", point=ApprovalPoint.AFTER
    )
    holds.begin(tx, task.key, said, attempt=task.attempt)
    holds.end(tx, task.key, ended_by=actor, answer=text)
    landings.rename(tx, task.key)
    reason = rejection(text, actor)
    apply(tx, task, Transition.REOPEN, EventKind.TASK_REJECTED, detail=reason, **rejected(reason))


def put_all_back(tx: Tx, built: Sequence[Task], because: str, actor: str) -> None:
    """Reopens the tasks with that finding, dependencies first."""
    for each in built:
        put_back(tx, tasks.get(tx, each.key), because[:MAX_TEXT], actor)
