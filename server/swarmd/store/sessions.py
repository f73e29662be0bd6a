"""Sessions and what they printed, as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from swarmd.domain.model import AttemptKey, Lease, SessionRole, TaskKey, Usage
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


class SessionRecord(NamedTuple):
    """A session, whosever it is."""

    key: int
    session_id: str
    attempt_key: AttemptKey
    role: SessionRole
    started_us: int
    ended_us: int | None


def find(tx: ReadTx, session_id: str) -> SessionRecord | None:
    """The session of that id."""
    row = tx.one("session_find", about=session_id, session_id=session_id)
    return None if row is None else SessionRecord(row[0], session_id, row[1], SessionRole(row[2]), *row[3:])


def add(tx: Tx, lease: Lease, *, session_id: str, role: SessionRole, runner: str) -> None:
    """Stores a session that has its go; there is none of that id."""
    tx.later(
        "session_add",
        (session_id,),
        session_id=session_id,
        task_key=lease.task_key,
        attempt_key=lease.attempt_key,
        role=role,
        runner=runner,
        now_us=tx.now_us,
    )


def end(tx: Tx, session: SessionRecord, *, exit_code: int | None) -> None:
    """Stores that it ended."""
    tx.later("session_end", (session.session_id,), key=session.key, exit_code=exit_code, now_us=tx.now_us)


def use(tx: Tx, key: int, usage: Usage) -> None:
    """Stores what it has used in all."""
    tx.later(
        "session_use",
        (),
        key=key,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_nano=usage.cost_nano,
    )


def log(tx: Tx, key: int, entries: Sequence[LogEntry], limits: LogLimits) -> None:
    """Stores entries and drops from the middle what is more than is kept."""
    for entry in entries:
        tx.later(
            "session_log_add",
            (),
            session_key=key,
            number=entry.number,
            logged_us=entry.logged_us,
            kind=entry.kind,
            text=entry.text,
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
