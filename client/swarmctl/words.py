"""Words for people and programs: enum values, times, spans, numbers."""

import math
from collections.abc import Iterable
from datetime import UTC
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from amplifier_swarm.v1.session_pb2 import Usage


@cache
def _words(enum: Any) -> dict[int, str]:
    values = enum.DESCRIPTOR.values
    prefix = values[0].name.removesuffix("UNSPECIFIED")
    return {v.number: v.name.removeprefix(prefix).lower() for v in values if v.number}


def word(enum: Any, value: int) -> str | None:
    """The lower-case word of a value of a generated enum.

    None for the unspecified one; the number of one that this program does not know yet.
    """
    return _words(enum).get(value, str(value)) if value else None


def value_of(enum: Any, text: str) -> Any:
    """The value that a word stands for, None if it is no word of this generated enum."""
    return {word: number for number, word in _words(enum).items()}.get(text)


def words_of(enum: Any) -> Iterable[str]:
    """All words of an enum, in the order of their values."""
    return _words(enum).values()


def iso(message: Message, field: str) -> str | None:
    """A timestamp field as ISO 8601 in UTC, None if unset."""
    if not message.HasField(field):
        return None
    stamp: Timestamp = getattr(message, field)
    return stamp.ToDatetime(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock(message: Message, field: str) -> str:
    """The time of day of a timestamp field, where the reader is."""
    stamp: Timestamp = getattr(message, field)
    return stamp.ToDatetime(UTC).astimezone().strftime("%H:%M:%S")


def between(message: Message, begin: str, end: str) -> float | None:
    """The seconds from one timestamp field to another, None if one is unset."""
    if not (message.HasField(begin) and message.HasField(end)):
        return None
    passed_us: int = getattr(message, end).ToMicroseconds() - getattr(message, begin).ToMicroseconds()
    return passed_us / 1e6


def seconds(duration: Duration) -> float:
    """A duration in seconds."""
    return duration.seconds + duration.nanos / 1e9


def seconds_of(message: Message, field: str) -> float | None:
    """A duration field in seconds, None if unset."""
    return seconds(getattr(message, field)) if message.HasField(field) else None


def span(duration_s: float | None) -> str:
    """A span of time in the two units that matter, such as `1h02m` or `3.4s`."""
    if duration_s is None:
        return ""
    if duration_s < 60:
        return f"{max(0.0, duration_s):.1f}s"
    minutes, rest = divmod(int(duration_s), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m"


def finite(number: float) -> float | None:
    """The number, None if JSON has no word for it."""
    return number if math.isfinite(number) else None


def tokens(usage: Usage) -> str:
    """What sessions used, such as `12,345 in, 678 out, $0.04`; nothing if they used nothing."""
    if not usage.input_tokens and not usage.output_tokens:
        return ""
    counts = f"{usage.input_tokens:,} in, {usage.output_tokens:,} out"
    return f"{counts}, {_dollars(usage.cost)}" if usage.cost else counts


def _dollars(cost: str) -> str:
    try:
        return f"${Decimal(cost):.4f}"
    except InvalidOperation:
        return cost


def plural(count: int, noun: str) -> str:
    """A count with its noun, such as `1 task` and `2 tasks`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
