"""Sessions and their logs as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from swarmd.domain.model import AttemptKey, Lease, SessionRole, TaskKey, Usage
from swarmd.domain.session_grants import AnnouncedToken, SessionGrant
from swarmd.store.text_search import folded
from swarmd.store.transaction import ReadTx, Tx


@dataclass(frozen=True, slots=True)
class LogLimits:
    """The number of log entries that are kept of a session: its first ones and its newest ones."""

    head: int = 500
    tail: int = 4_500


# A log cursor has 40 bits for the number of an entry.
MAX_ENTRY_NUMBER: Final = (1 << 40) - 1


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A step or a piece of output of a session; a gap in the numbers means that entries were dropped."""

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
    """A session of any task."""

    key: int
    session_id: str
    attempt_key: AttemptKey
    role: SessionRole
    started_us: int
    ended_us: int | None


def find(tx: ReadTx, session_id: str) -> SessionRecord | None:
    """Returns the session with that id, None if there is none."""
    row = tx.one("session_find", subject=session_id, session_id=session_id)
    if row is None:
        return None
    key, attempt_key, role, started_us, ended_us = row
    return SessionRecord(key, session_id, attempt_key, SessionRole(role), started_us, ended_us)


def add(
    tx: Tx,
    lease: Lease,
    *,
    session_id: str,
    role: SessionRole,
    runner: str,
    token: AnnouncedToken | None = None,
) -> None:
    """Stores a session that has its go; the id must be new."""
    token_id, token_hash = token or ("", b"")
    tx.defer(
        "session_add",
        (session_id,),
        session_id=session_id,
        task_key=lease.task_key,
        attempt_key=lease.attempt_key,
        role=role,
        runner=runner,
        started_us=tx.now_us,
        input_tokens=0,
        output_tokens=0,
        token_id=token_id,
        token_hash=token_hash,
    )


def grants(tx: ReadTx) -> Sequence[SessionGrant]:
    """Returns the tokens of the sessions that run."""
    return [
        SessionGrant(AnnouncedToken(token_id, secret_hash), session_id, SessionRole(role), Lease._make(lease))
        for token_id, secret_hash, session_id, role, *lease in tx.all("session_tokens")
    ]


def set_progress(tx: Tx, key: int, text: str, percent: int | None) -> int | None:
    """Stores what the session says about its progress; returns when it last did, None if never."""
    before: int | None = tx.value("session_progress_us", key=key)
    tx.run("session_progress", key=key, text=text, percent=percent, now_us=tx.now_us)
    return before


def rename(tx: Tx, session: SessionRecord) -> None:
    """Gives the session another id, since the id belongs to the attempt of another worker."""
    tx.run("session_rename", key=session.key)


def end(tx: Tx, session: SessionRecord, *, exit_code: int | None) -> None:
    """Stores the end of the session."""
    tx.defer("session_end", (session.session_id,), key=session.key, exit_code=exit_code, ended_us=tx.now_us)


def set_usage(tx: Tx, key: int, usage: Usage) -> None:
    """Stores the total usage of the session; no report lowers it."""
    tx.defer(
        "session_use",
        (),
        key=key,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_nano=usage.cost_nano,
    )


def append_log(tx: Tx, key: int, entries: Sequence[LogEntry], limits: LogLimits) -> None:
    """Stores entries; drops entries from the middle that exceed the limits."""
    for entry in entries:
        tx.defer(
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


def log_after(
    tx: ReadTx, key: int, after: int, *, limit: int, search: str = "", kind: str = ""
) -> Sequence[LogEntry]:
    """Returns the next kept entries after that number, of those with the text `search` and of that kind."""
    return [
        LogEntry(*row)
        for row in tx.all(
            "session_log_after",
            session_key=key,
            after=after,
            last=MAX_ENTRY_NUMBER,
            limit=limit,
            search=folded(search),
            search_is_ascii=search.isascii(),
            kind=kind,
        )
    ]


def log_tail(tx: ReadTx, key: int, tail: int) -> int:
    """Returns the number before the newest `tail` entries."""
    return int(tx.value("session_log_tail", session_key=key, tail=tail))


def list_of_task(tx: ReadTx, task_key: TaskKey) -> Sequence[SessionRef]:
    """Returns the sessions of a task, the earliest first; a new session is always the last."""
    return [
        SessionRef(key, session_id, SessionRole(role), attempt)
        for key, session_id, role, attempt in tx.all("session_of_task", task_key=task_key)
    ]
