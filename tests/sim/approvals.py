"""Audit of approvals: nothing that waits for a person goes on without one, and an approval counts for one thing."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sim.world import Violated
from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.landing import StartPoint
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import AttemptOutcome, Task
from swarmd.store import holds, tasks
from swarmd.store.events import Event, EventKind
from swarmd.store.reads.views import AttemptView
from swarmd.store.transaction import ReadTx

# More than a task of a run ever has.
MOST_HOLDS: Final = 10_000


class Held(NamedTuple):
    """A hold that lasts."""

    task_id: str
    hold_id: str
    kind: str


def lasting_holds(tx: ReadTx) -> list[Held]:
    """Returns the holds that last."""
    rows = tx._connection.execute(
        "SELECT t.task_id, h.epoch || '-' || h.key, h.kind FROM holds h JOIN tasks t ON t.key = h.task_key"
        " WHERE h.ended_us IS NULL ORDER BY h.key"
    )
    return [Held(*row) for row in rows]


def completed(tx: ReadTx) -> list[str]:
    """Returns the ids of the completed tasks."""
    return [found.task_id for found in tasks.with_status(tx, TaskStatus.COMPLETED)]


def completes(event: Event) -> bool:
    """Returns whether the event completes a task by an approval."""
    return event.kind is EventKind.TASK_APPROVED and event.status == TaskStatus.COMPLETED


def asks_about_work(event: Event) -> bool:
    """Returns whether a completed attempt waits for an approval from then on."""
    return event.kind is EventKind.TASK_HELD and event.cause.startswith("approval: attempt ")


def audit(tx: ReadTx, task: Task, attempts: Sequence[AttemptView], history: Sequence[Event]) -> None:
    """Checks the approvals of one task.

    Raises:
        Violated: it started, landed or counts without the approval that it waits for.
    """
    if task.approve is ApprovalPoint.BEFORE_START:
        _starts(task, attempts, history)
        return
    if task.approve is None or any(event.kind is EventKind.RESULT_ACCEPTED for event in history):
        return  # a person let a late result count
    nods = {hold.attempt for hold in holds.of_task(tx, task.key, limit=MOST_HOLDS) if hold.approved}
    for attempt in attempts:
        lands = attempt.starts_at is StartPoint.LANDING
        if lands and task.approve is ApprovalPoint.BEFORE_LANDING and attempt.work_of not in nods:
            raise Violated(f"{task.task_id}, attempt {attempt.number}, lands work that nobody has approved")
    done = [
        a for a in attempts if a.outcome is AttemptOutcome.COMPLETED and a.starts_at is not StartPoint.LANDING
    ]
    if task.status is TaskStatus.COMPLETED and done[-1].number not in nods:
        raise Violated(f"{task.task_id} counts as completed by work that nobody has approved")


def _starts(task: Task, attempts: Sequence[AttemptView], history: Sequence[Event]) -> None:
    """Checks that each builder was claimed after an approval, and no retry by a person came between."""
    lands = {attempt.number for attempt in attempts if attempt.work_of}
    approved = False
    for event in history:
        if event.kind is EventKind.TASK_APPROVED:
            approved = True
        elif event.kind is EventKind.TASK_REOPENED:
            approved = event.cause.startswith("to land")
        elif event.kind is EventKind.TASK_REJECTED:
            approved = False
        elif event.kind is EventKind.TASK_CLAIMED and not approved and event.attempt not in lands:
            raise Violated(
                f"event {event.seq}: {task.task_id} was claimed, and nobody has approved its start"
            )
