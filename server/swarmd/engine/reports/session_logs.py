"""Pages of the logs of a task's sessions, read by one cursor over all of them.

A cursor grows from entry to entry: it joins the position of the session within the task and the number of the entry
within the session. A gap entry says how many entries are not kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from swarmd.domain.lifecycle import FINAL
from swarmd.domain.model import SessionRole, TaskKey
from swarmd.store import sessions, tasks
from swarmd.store.sessions import LogEntry, SessionRef
from swarmd.store.transaction import ReadTx

GAP: Final = "LOG_KIND_GAP"
# A page ends after this many characters of text, so that it fits into one message in any language.
MAX_CHARS: Final = 256 * 1024
# Bits for more entries than any session has; a cursor stays below 2^53, so that every language reads it exactly.
_NUMBER_BITS: Final = sessions.MAX_ENTRY_NUMBER.bit_length()


class EntryKind(StrEnum):
    """The kind of a stored log entry."""

    OUTPUT = "output"
    ERROR_OUTPUT = "error_output"
    TOOL_STARTED = "tool_started"
    TOOL_COMPLETED = "tool_completed"
    REPLY = "reply"
    WORKER = "worker"
    PROMPT = "prompt"


@dataclass(frozen=True, slots=True)
class LogQuery:
    """The part of a task's log to read."""

    role: SessionRole | None = None
    # 0 is the latest attempt when reading starts, and later ones.
    attempt: int = 0
    after: int = 0
    # Starts with the newest N entries of each session; 0 is all that are kept.
    tail: int = 0
    limit: int = 500
    # Only entries with this text, or of this kind, of all that are kept: `tail` and gaps do not count.
    search: str = ""
    kind: EntryKind | None = None

    @property
    def chooses(self) -> bool:
        """True if entries may be left out that are kept."""
        return bool(self.search) or self.kind is not None


@dataclass(frozen=True, slots=True)
class LogItem:
    """An entry, its session, and the cursor after it."""

    session: SessionRef
    entry: LogEntry
    cursor: int


@dataclass(frozen=True, slots=True)
class LogPage:
    """A page of log items."""

    shown: Sequence[LogItem]
    # `begun`: the query has sessions. `ended`: no more can come. `full`: the limit was reached.
    begun: bool
    ended: bool
    full: bool


def page(tx: ReadTx, key: TaskKey, wanted: LogQuery) -> LogPage:
    """Returns the next page."""
    task = tasks.get(tx, key)
    chosen = list(_chosen(sessions.list_of_task(tx, key), wanted, latest=task.attempt))
    ended = task.status in FINAL or 0 < wanted.attempt < task.attempt
    shown: list[LogItem] = []
    chars = 0
    for place, session in chosen:
        for item in _of_session(tx, place, session, wanted, limit=wanted.limit - len(shown)):
            shown.append(item)
            chars += len(item.entry.text)
            if chars >= MAX_CHARS:
                return LogPage(shown, begun=True, ended=ended, full=True)
        if len(shown) >= wanted.limit:
            break
    return LogPage(shown, bool(chosen), ended, len(shown) >= wanted.limit)


def _chosen(
    found: Sequence[SessionRef], wanted: LogQuery, *, latest: int
) -> Iterator[tuple[int, SessionRef]]:
    first = wanted.after >> _NUMBER_BITS
    for place, session in enumerate(found, start=1):
        fits = wanted.role in (None, session.role) and place >= first
        if wanted.attempt:
            fits = fits and session.attempt == wanted.attempt
        elif not wanted.after:
            fits = fits and session.attempt == latest
        if fits:
            yield place, session


def _of_session(
    tx: ReadTx, place: int, session: SessionRef, wanted: LogQuery, *, limit: int
) -> Iterator[LogItem]:
    base = place << _NUMBER_BITS
    seen = max(0, wanted.after - base)
    if not wanted.after and wanted.tail and not wanted.chooses:
        seen = sessions.log_tail(tx, session.key, wanted.tail)
    kind = "" if wanted.kind is None else f"LOG_KIND_{wanted.kind.name}"
    found = sessions.log_after(tx, session.key, seen, limit=limit, search=wanted.search, kind=kind)
    for entry in found:
        left_out = entry.number - seen - 1
        if left_out and not wanted.chooses:
            text = f"{left_out:,} {'entry is' if left_out == 1 else 'entries are'} not kept"
            gap = LogEntry(entry.number - 1, entry.logged_us, GAP, text)
            yield LogItem(session, gap, base + gap.number)
        yield LogItem(session, entry, base + entry.number)
        seen = entry.number
