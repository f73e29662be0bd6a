"""Approvals and rejections of what tasks wait for. Each public function is one write.

Invariant: an approval names its hold, so it counts for nothing that comes later. An approval of a landing is for the
work of the one attempt that the hold names.
"""

from collections.abc import Mapping
from typing import Final

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.decision import FULL_BUDGETS, NO_ORDER, TaskUpdate
from swarmd.domain.errors import HoldRefused
from swarmd.domain.holds import SHORT_COMMIT, Hold, HoldKind, checked_text, hold_key
from swarmd.domain.landing import KeptWork, StartPoint
from swarmd.domain.lifecycle import Transition
from swarmd.domain.model import FailureClass, Task, TaskKey
from swarmd.engine.tasks import lookup
from swarmd.engine.tasks.demanding import set_demands
from swarmd.engine.tasks.transitions import apply
from swarmd.store import holds, landings
from swarmd.store.events import EventKind
from swarmd.store.transaction import Tx

# Of a reason, in the last error of a task.
SHOWN_CHARS: Final = 1_000


def approve(tx: Tx, name: str, *, hold_ids: Mapping[str, str], actor: str, with_hint: bool = True) -> TaskKey:
    """Approves the hold that `hold_ids` names for the task; the caller who has approved it may come again.

    Raises:
        HoldRefused: the task does not wait for that approval, or the work that is to land was not kept.
    """
    task = lookup.resolve(tx, name, with_hint=with_hint)
    asked = _asked(tx, task, hold_ids[name])
    if asked.ended_us is not None:
        if asked.approved and asked.ended_by == actor:
            return task.key
        raise HoldRefused(task.task_id, settled(asked))
    detail = f"approved by {actor}" if actor else "approved"
    if asked.point is ApprovalPoint.BEFORE_START:
        update = TaskUpdate(approved=ApprovalPoint.BEFORE_START)
    elif (work := _work_to_land(tx, task, asked)) is not None:
        update = TaskUpdate(
            approved=ApprovalPoint.BEFORE_LANDING,
            starts_at=StartPoint.LANDING,
            work_of=asked.attempt,
            **FULL_BUDGETS,
        )
        set_demands(tx, task.key, work_in=work.repository)
        detail = f"{detail}: to land the work of attempt {asked.attempt}"
    else:
        holds.end(tx, task.key, ended_by=actor, approved=True)
        apply(tx, task, Transition.APPROVE, EventKind.TASK_APPROVED, detail=detail)
        return task.key
    holds.end(tx, task.key, ended_by=actor, approved=True)
    apply(tx, task, Transition.UNHOLD, EventKind.TASK_APPROVED, detail=detail, **update)
    return task.key


def reject(tx: Tx, name: str, *, hold_id: str, text: str, actor: str) -> TaskKey:
    """Rejects what the task waits for: its work goes back to its builder with the reason, and uses up no retry.

    A task that waits to start is killed, since nobody has built anything that could go back.

    Raises:
        HoldRefused: the task does not wait for that approval. InvalidRequest: the reason is empty or too long.
    """
    task = lookup.resolve(tx, name)
    checked_text("text", text)
    asked = _asked(tx, task, hold_id)
    if asked.ended_us is not None:
        if asked.answer == text and asked.ended_by == actor:
            return task.key
        raise HoldRefused(task.task_id, settled(asked))
    holds.end(tx, task.key, ended_by=actor, answer=text)
    reason = rejection(text, actor)
    if asked.point is ApprovalPoint.BEFORE_START:
        apply(tx, task, Transition.KILL, EventKind.TASK_REJECTED, cause=reason)
    else:
        landings.rename(tx, task.key)
        apply(tx, task, Transition.UNHOLD, EventKind.TASK_REJECTED, detail=reason, **rejected(reason))
    return task.key


def rejection(text: str, actor: str) -> str:
    """Returns the reason of a rejection as the last error of a task."""
    shown = text[:SHOWN_CHARS] + ("…" if len(text) > SHOWN_CHARS else "")
    return f"rejected by {actor}: {shown}" if actor else f"rejected: {shown}"


def rejected(reason: str) -> TaskUpdate:
    """Returns the update of a task whose accepted work was rejected: its next attempt goes on from that work.

    All budgets are full again, as after a retry: what was used up led to work that was accepted.
    """
    return TaskUpdate(
        last_error=reason,
        failure_class=FailureClass.VALIDATION_FAILED,
        interrupted=False,
        backoff_s=0.0,
        **NO_ORDER,
        **FULL_BUDGETS,
    )


def settled(asked: Hold) -> str:
    """Returns how the wait for an approval has ended."""
    who = f" by {asked.ended_by}" if asked.ended_by else ""
    if asked.approved:
        return f"was approved{who} already"
    if asked.answer:
        return f"was rejected{who} already: {asked.answer[:200]!r}"
    return f"waits for that approval no more: the hold has ended{who}"


def _asked(tx: Tx, task: Task, hold_id: str) -> Hold:
    asked = holds.find(tx, task.key, hold_key(hold_id))
    if asked is None or asked.kind is not HoldKind.APPROVAL:
        raise HoldRefused(
            task.task_id, f"waits for no approval {hold_id}; see `swarmctl show {task.task_id}`"
        )
    return asked


def _work_to_land(tx: Tx, task: Task, asked: Hold) -> KeptWork | None:
    """Returns the work that the approval lands; None if there is nothing to land.

    Raises:
        HoldRefused: no ref keeps the work.
    """
    if asked.point is not ApprovalPoint.BEFORE_LANDING:
        return None
    accepted = landings.accepted_work(tx, task.key)
    if accepted is None or accepted.landed or accepted.work.head == accepted.work.base:
        return None
    if not accepted.work.ref:
        head = accepted.work.head[:SHORT_COMMIT]
        raise HoldRefused(
            task.task_id,
            f"can't land: no ref keeps the work of attempt {asked.attempt} (commit {head}); `swarmctl reject` builds"
            " it again",
        )
    return accepted.work
