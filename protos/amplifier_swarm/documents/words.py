"""Words of documents: enum values in lower case, times in ISO 8601, numbers that JSON can hold."""

import math
from collections.abc import Iterable
from datetime import UTC
from functools import cache
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp


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
    return iso_of(getattr(message, field))


def iso_of(stamp: Timestamp) -> str:
    """A time as ISO 8601 in UTC."""
    return stamp.ToDatetime(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(duration: Duration) -> float:
    """A duration in seconds."""
    return duration.seconds + duration.nanos / 1e9


def seconds_of(message: Message, field: str) -> float | None:
    """A duration field in seconds, None if unset."""
    return seconds(getattr(message, field)) if message.HasField(field) else None


def finite(number: float) -> float | None:
    """The number, None if JSON has no word for it."""
    return number if math.isfinite(number) else None
