"""The event log, one sequence without gaps. Invariant: an event is stored in the transaction of its change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from swarmd.store.transaction import ReadTx, Tx


class EventKind(StrEnum):
    """The kinds of event; the wire contract says what each means."""

    TASK_ADDED = "task_added"
    TASK_CHANGED = "task_changed"
    TASK_READY = "task_ready"
    TASK_BLOCKED = "task_blocked"
    TASK_SKIPPED = "task_skipped"
    TASK_REVIVED = "task_revived"
    TASK_CLAIMED = "task_claimed"
    TASK_RELEASED = "task_released"
    SESSION_STARTED = "session_started"
    SESSION_ENDED = "session_ended"
    TASK_COMPLETED = "task_completed"
    TASK_RETRYING = "task_retrying"
    TASK_FAILED = "task_failed"
    TASK_KILLING = "task_killing"
    TASK_KILLED = "task_killed"
    TASK_REOPENED = "task_reopened"
    RESULT_ARCHIVED = "result_archived"
    WORKER_JOINED = "worker_joined"
    WORKER_LEFT = "worker_left"
    WORKER_SUSPECT = "worker_suspect"
    WORKER_LOST = "worker_lost"
    WORKER_DRAINING = "worker_draining"
    SWARM_PAUSED = "swarm_paused"
    SWARM_STOPPED = "swarm_stopped"
    SWARM_RESUMED = "swarm_resumed"
    SERVER_STARTED = "server_started"
    TASKS_CLEARED = "tasks_cleared"
    RUNNER_PAUSED = "runner_paused"
    RESULT_ACCEPTED = "result_accepted"
    EXPIRY_PAUSED = "expiry_paused"
    EXPIRY_RESUMED = "expiry_resumed"
    TASK_LANDING = "task_landing"
    LANDING_WITHDRAWN = "landing_withdrawn"
    CHECKS_STARTED = "checks_started"
    TASK_HELD = "task_held"
    TASK_UNHELD = "task_unheld"
    TASK_NOTED = "task_noted"
    TASK_APPROVED = "task_approved"
    TASK_REJECTED = "task_rejected"
    RUNNER_PROBED = "runner_probed"
    RUNNER_RESUMED = "runner_resumed"
    TASK_RESTORED = "task_restored"
    BUDGET_RAISED = "budget_raised"
    BUDGET_REACHED = "budget_reached"
    SESSION_PROGRESS = "session_progress"
    QUESTION_ASKED = "question_asked"
    QUESTION_ANSWERED = "question_answered"


# Each of these ends a task.
ENDS_TASK: Final = frozenset(
    {
        EventKind.TASK_COMPLETED,
        EventKind.TASK_FAILED,
        EventKind.TASK_KILLED,
        EventKind.TASK_SKIPPED,
        EventKind.LANDING_WITHDRAWN,
    }
)
# Each of these ends an attempt, if the event has one.
ENDS_ATTEMPT: Final = frozenset(
    {
        EventKind.TASK_COMPLETED,
        EventKind.TASK_RETRYING,
        EventKind.TASK_FAILED,
        EventKind.TASK_KILLED,
        EventKind.TASK_RELEASED,
        EventKind.LANDING_WITHDRAWN,
        EventKind.TASK_HELD,
    }
)
# After each of these, the task's dependents wait for something else.
CHANGES_DEPENDENTS: Final = ENDS_TASK | {
    EventKind.TASK_REVIVED,
    EventKind.TASK_REOPENED,
    EventKind.RESULT_ACCEPTED,
    EventKind.TASK_APPROVED,
    EventKind.TASK_REJECTED,
    EventKind.TASK_RESTORED,
}


# Each of these may change the dependencies of stored tasks.
CHANGES_GRAPH: Final = frozenset({EventKind.TASK_ADDED, EventKind.TASK_CHANGED, EventKind.TASKS_CLEARED})


@dataclass(frozen=True, slots=True)
class Event:
    """A change; a field that the change does not concern is empty."""

    seq: int
    happened_us: int
    kind: EventKind
    task_id: str
    status: str
    attempt: int
    worker: str
    session_id: str
    cause: str
    # Whose order it was, by the name of the token, and the reason that came with the order.
    actor: str = ""
    because: str = ""


def append(
    tx: Tx,
    kind: EventKind,
    *,
    task_id: str = "",
    status: str = "",
    attempt: int = 0,
    worker: str = "",
    session_id: str = "",
    cause: str = "",
) -> None:
    """Records an event at the time of the transaction, with the order that the job carries out."""
    tx.has_events = True
    tx.defer(
        "event_add",
        (),
        happened_us=tx.now_us,
        kind=kind,
        task_id=task_id,
        status=status,
        attempt=attempt,
        worker=worker,
        session_id=session_id,
        cause=cause,
        actor=tx.ordered_by.name,
        because=tx.ordered_by.because,
    )


def append_all(tx: Tx, kind: EventKind, subjects: Iterable[tuple[str, str]]) -> None:
    """Records one kind of event for many tasks without an attempt, each given as (id, status)."""
    for task_id, status in subjects:
        append(tx, kind, task_id=task_id, status=status)


def last_seq(tx: ReadTx) -> int:
    """Returns the number of the latest event, 0 if there is none."""
    return int(tx.value("event_last"))


def after(tx: ReadTx, seq: int, *, limit: int, task_id: str = "") -> Sequence[Event]:
    """Returns the next events after `seq`, of one task if `task_id` is given."""
    if task_id:
        rows = tx.all("event_after_of_task", task_id=task_id, after=seq, limit=limit)
    else:
        rows = tx.all("event_after", after=seq, limit=limit)
    return [Event(seq, happened_us, EventKind(kind), *rest) for seq, happened_us, kind, *rest in rows]
