"""The event log: what happened, in one sequence without gaps, written with the change itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from swarmd.store.transaction import ReadTx, Tx, Value


class EventKind(StrEnum):
    """What may happen; the wire contract says what each means."""

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


# Each of these ends a task.
ENDS_TASK: Final = frozenset(
    {EventKind.TASK_COMPLETED, EventKind.TASK_FAILED, EventKind.TASK_KILLED, EventKind.TASK_SKIPPED}
)
# Each of these ends an attempt, if the event has one.
ENDS_ATTEMPT: Final = frozenset(
    {
        EventKind.TASK_COMPLETED,
        EventKind.TASK_RETRYING,
        EventKind.TASK_FAILED,
        EventKind.TASK_KILLED,
        EventKind.TASK_RELEASED,
    }
)
# After each of these, the task's dependents wait for something else.
CHANGES_DEPENDENTS: Final = ENDS_TASK | {
    EventKind.TASK_REVIVED,
    EventKind.TASK_REOPENED,
    EventKind.RESULT_ACCEPTED,
}


@dataclass(frozen=True, slots=True)
class Event:
    """One change; empty where it doesn't concern that kind of thing."""

    seq: int
    happened_us: int
    kind: EventKind
    task_id: str
    status: str
    attempt: int
    worker: str
    session_id: str
    cause: str


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
    """Records that it happened, now."""
    tx.eventful = True
    tx.later(
        "event_add",
        (),
        now_us=tx.now_us,
        kind=kind,
        task_id=task_id,
        status=status,
        attempt=attempt,
        worker=worker,
        session_id=session_id,
        cause=cause,
    )


def append_all(tx: Tx, kind: EventKind, subjects: Iterable[tuple[str, str]]) -> None:
    """Records the same of many tasks, each given by id and status, none of which had an attempt."""
    tx.eventful = True
    blank: dict[str, Value] = {
        "now_us": tx.now_us,
        "kind": kind,
        "attempt": 0,
        "worker": "",
        "session_id": "",
        "cause": "",
    }
    tx.run_many(
        "event_add", ({**blank, "task_id": task_id, "status": status} for task_id, status in subjects)
    )


def last_seq(tx: ReadTx) -> int:
    """The number of the latest event, 0 if there is none."""
    return int(tx.value("event_last"))


def after(tx: ReadTx, seq: int, *, limit: int, task_id: str = "") -> Sequence[Event]:
    """The next events after that one, of one task if it is named."""
    if task_id:
        rows = tx.all("event_after_of_task", task_id=task_id, after=seq, limit=limit)
    else:
        rows = tx.all("event_after", after=seq, limit=limit)
    return [Event(row[0], row[1], EventKind(row[2]), *row[3:]) for row in rows]
