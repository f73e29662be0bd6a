"""Sessions and what they printed, as rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from swarmd.domain.model import AttemptKey, SessionRole, TaskKey, Usage
from swarmd.store.transaction import ReadTx, Tx


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How many entries of a session are kept: its beginning, and its end as it moves."""

    head: int = 500
    tail: int = 4_500


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A piece of what a session did or printed; a gap in the numbers means that entries were dropped."""

    number: int
    logged_us: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class SessionRef:
    """A session of a task."""

    key: int
    session_id: str
    role: SessionRole
    attempt: int


@dataclass(frozen=True, slots=True)
class Ended:
    """What ended, and when it had begun."""

    role: SessionRole
    started_us: int


def find(tx: ReadTx, attempt_key: AttemptKey, session_id: str) -> int | None:
    """The key of that session of that attempt."""
    row = tx.one("session_find", session_id=session_id)
    return int(row[0]) if row is not None and row[1] == attempt_key else None


def owner(tx: ReadTx, session_id: str) -> AttemptKey | None:
    """The attempt that has a session of that id."""
    row = tx.one("session_find", session_id=session_id)
    return None if row is None else AttemptKey(row[1])


def add(
    tx: Tx, *, session_id: str, task_key: TaskKey, attempt_key: AttemptKey, role: SessionRole, runner: str
) -> bool:
    """Stores a session that has its go; False if there is one of that id, whosever it is."""
    added = tx.run(
        "session_add",
        session_id=session_id,
        task_key=task_key,
        attempt_key=attempt_key,
        role=role,
        runner=runner,
        now_us=tx.now_us,
    )
    return added > 0


def end(tx: Tx, key: int, *, exit_code: int | None) -> Ended | None:
    """Stores that it ended; None if that is known already."""
    rows = tx.all("session_end", key=key, exit_code=exit_code, now_us=tx.now_us)
    return Ended(SessionRole(rows[0][0]), rows[0][1]) if rows else None


def use(tx: Tx, key: int, usage: Usage) -> None:
    """Stores what it has used in all."""
    tx.run(
        "session_use",
        key=key,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_nano=usage.cost_nano,
    )


def log(tx: Tx, key: int, entries: Sequence[LogEntry], limits: LogLimits) -> None:
    """Stores entries and drops from the middle what is more than is kept."""
    tx.run_many(
        "session_log_add",
        (
            {
                "session_key": key,
                "number": entry.number,
                "logged_us": entry.logged_us,
                "kind": entry.kind,
                "text": entry.text,
            }
            for entry in entries
        ),
    )
    newest = max(entry.number for entry in entries)
    if newest > limits.head + limits.tail:
        tx.run("session_log_trim", session_key=key, newest=newest, head=limits.head, tail=limits.tail)


def log_after(tx: ReadTx, key: int, after: int, *, limit: int) -> Sequence[LogEntry]:
    """The next kept entries after that number."""
    return [LogEntry(*row) for row in tx.all("session_log_after", session_key=key, after=after, limit=limit)]


def log_tail(tx: ReadTx, key: int, tail: int) -> int:
    """The number after which the newest `tail` entries begin."""
    return int(tx.value("session_log_tail", session_key=key, tail=tail))


def of_task(tx: ReadTx, task_key: TaskKey) -> Sequence[SessionRef]:
    """The sessions of a task, the earliest first; none ever comes between two others."""
    return [
        SessionRef(key, session_id, SessionRole(role), attempt)
        for key, session_id, role, attempt in tx.all("session_of_task", task_key=task_key)
    ]
