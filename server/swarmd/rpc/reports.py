"""Conversion of workers' reports: bounded, and only for leases that this server gave the worker.

Invariant: nothing is masked before its lease is known, and no long text is masked on the event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from functools import partial
from typing import Any, Final, Literal, Protocol, TypeVar

from amplifier_swarm.masking import LineMask
from amplifier_swarm.text import strip_terminal_drawing
from amplifier_swarm.v1 import session_pb2
from amplifier_swarm.v1 import worker_service_pb2 as pb
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.session_grants import checked_token
from swarmd.domain.session_ids import is_session_id
from swarmd.engine.attempts.sessions import (
    AttemptReport,
    ChecksStart,
    SessionEnd,
    SessionProgress,
    SessionStart,
)
from swarmd.engine.live.program_signs import ReportedSigns
from swarmd.store.sessions import MAX_ENTRY_NUMBER, LogEntry
from swarmd.wire import enums, outcomes, values

T = TypeVar("T")


class Chunked(Protocol):
    """A message of an upload."""

    chunk: bytes


MAX_ITEMS: Final = 1_024
# A worker lists no more leases.
MAX_PROGRAMS: Final = 4_096
MAX_SIGN_S: Final = 366 * 86_400.0
# A worker of ours sends at most 2 MiB of log text in a call.
MAX_LOG_CHARS: Final = 4 * 1024 * 1024
MAX_LOG_ENTRIES: Final = 16_384
MAX_ENTRY: Final = 16_384
# Masking takes about a microsecond for each character at worst: longer texts go to a thread.
INLINE_BYTES: Final = 16_384


async def chunks(first: Chunked, rest: AsyncIterator[Chunked]) -> AsyncIterator[bytes]:
    """Yields the content of an upload, whose first message was read already."""
    yield first.chunk
    async for message in rest:
        yield message.chunk


def bounded(items: Sequence[Any], field: str, *, most: int = MAX_ITEMS) -> Sequence[Any]:
    """Returns the items.

    Raises: InvalidRequest if there are more than `most`.
    """
    if len(items) > most:
        raise InvalidRequest(field, f"has {len(items)} items; send at most {most} in a call")
    return items


def check_progress(messages: Sequence[pb.SessionProgress]) -> None:
    """Checks the sizes and numbers of all progress in a call.

    Raises: InvalidRequest for a field that is out of range.
    """
    bounded(messages, "sessions")
    entries = chars = 0
    for message in messages:
        entries += len(message.entries)
        bounded(range(entries), "sessions.entries", most=MAX_LOG_ENTRIES)
        for entry in message.entries:
            chars += len(entry.text)
            if not 1 <= entry.number <= MAX_ENTRY_NUMBER:
                raise InvalidRequest("sessions.entries.number", f"must be from 1 to {MAX_ENTRY_NUMBER}")
        values.read_usage(message.usage)
    if chars > MAX_LOG_CHARS:
        raise InvalidRequest(
            "sessions.entries", f"have {chars} characters; send at most {MAX_LOG_CHARS} in a call"
        )


def read_running(messages: Sequence[pb.RunningProgram]) -> dict[str, ReportedSigns]:
    """Converts the signs of the programs that run, by lease id.

    They are for display only: what makes no sense is bounded or left out, since no heartbeat is refused for it.
    """
    return {message.lease_id: _signs(message) for message in messages[:MAX_PROGRAMS]}


def _signs(message: pb.RunningProgram) -> ReportedSigns:
    def seconds(field: Literal["quiet", "times_out_in", "stalls_in"]) -> float | None:
        if not message.HasField(field):
            return None
        return min(max(0.0, values.seconds(getattr(message, field))), MAX_SIGN_S)

    return ReportedSigns(seconds("quiet"), seconds("times_out_in") or 0.0, seconds("stalls_in"))


def check_attempts(messages: Sequence[pb.FinishedAttempt]) -> None:
    """Checks the sizes and enums of all outcomes in a call.

    Raises: InvalidRequest for a field that is out of range.
    """
    for item in bounded(messages, "finished"):
        outcomes.check(item.outcome)
        for record in bounded(item.ends, "finished.ends"):
            if not record.HasField("end"):
                raise InvalidRequest(
                    "finished.ends.end", "is missing: a start asks for its go by RecordSession"
                )
            _session_end(record)


async def read_progress(
    messages: Sequence[pb.SessionProgress], known: Collection[str], *, now_us: int
) -> list[SessionProgress]:
    """Converts the progress under known leases; entries without a time get `now_us`."""
    kept = [message for message in messages if message.lease_id in known]
    return await _converted(kept, partial(_progress, now_us=now_us))


async def read_attempts(
    messages: Sequence[pb.FinishedAttempt], known: Collection[str]
) -> list[AttemptReport | None]:
    """Converts the outcomes under known leases; None stands for each other one."""
    kept = iter(await _converted([item for item in messages if item.lease_id in known], _attempt_report))
    return [next(kept) if item.lease_id in known else None for item in messages]


def read_record(record: pb.SessionRecord) -> SessionStart | ChecksStart | SessionEnd:
    """Converts a start or an end of a session, or the start of an attempt that begins with its checks."""
    if record.checks:
        return ChecksStart(record.lease_id)
    if record.HasField("end"):
        return _session_end(record)
    session_id = _session_id(record)
    role = enums.SESSION_ROLE.from_wire(record.role, "records.role")
    token = checked_token(record.token_id, record.token_hash)
    return SessionStart(record.lease_id, session_id, role, record.runner[:64], token)


async def _converted(messages: Sequence[Any], convert: Callable[[Any], T]) -> list[T]:
    if sum(message.ByteSize() for message in messages) <= INLINE_BYTES:
        return [convert(message) for message in messages]
    return await asyncio.to_thread(lambda: [convert(message) for message in messages])


def _progress(message: pb.SessionProgress, *, now_us: int) -> SessionProgress:
    mask = LineMask()
    entries = [
        LogEntry(
            entry.number,
            values.timestamp_us(entry.logged_at, "sessions.entries.logged_at")
            if entry.HasField("logged_at")
            else now_us,
            session_pb2.LogKind.Name(entry.kind)
            if entry.kind in session_pb2.LogKind.values()
            else "LOG_KIND_OUTPUT",
            # Masked before it is cut, so that no half of a secret remains.
            mask.text(strip_terminal_drawing(entry.text[: 2 * MAX_ENTRY]))[:MAX_ENTRY],
        )
        for entry in message.entries
    ]
    usage = values.read_usage(message.usage) if message.HasField("usage") else None
    return SessionProgress(message.lease_id, message.session_id, entries, usage)


def _attempt_report(item: pb.FinishedAttempt) -> AttemptReport:
    outcome = outcomes.read(item.outcome)
    return AttemptReport(item.lease_id, [_session_end(record) for record in item.ends], outcome)


def _session_end(record: pb.SessionRecord) -> SessionEnd:
    exit_code = record.end.exit_code if record.end.HasField("exit_code") else None
    return SessionEnd(record.lease_id, _session_id(record), exit_code, values.read_usage(record.end.usage))


def _session_id(record: pb.SessionRecord) -> str:
    if not is_session_id(record.session_id):
        raise InvalidRequest(
            "records.session_id",
            "is not a session id; use up to 81 of a-z, 0-9 and -, starting with a letter or digit",
        )
    return record.session_id
