"""Values of documents: enum values as lower-case words, times in ISO 8601, numbers that JSON can hold."""

import math
from collections.abc import Iterable
from datetime import UTC
from functools import cache
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

# The enums whose words have hyphens, as task files write them.
_HYPHENATED: Final = frozenset({"ApprovalPoint"})


@cache
def _words(enum: Any) -> dict[int, str]:
    values, joint = enum.DESCRIPTOR.values, "-" if enum.DESCRIPTOR.name in _HYPHENATED else "_"
    prefix = values[0].name.removesuffix("UNSPECIFIED")
    return {v.number: v.name.removeprefix(prefix).lower().replace("_", joint) for v in values if v.number}


def word(enum: Any, value: int) -> str | None:
    """Returns the lower-case word of a value of a generated enum.

    The unspecified value gives None; a value that this program does not know gives its number as text.
    """
    return _words(enum).get(value, str(value)) if value else None


def value_of(enum: Any, text: str) -> Any:
    """Returns the value of a word of a generated enum; None if the enum has no such word."""
    return {word: number for number, word in _words(enum).items()}.get(text)


def words_of(enum: Any) -> Iterable[str]:
    """Returns all words of an enum, in the order of their values."""
    return _words(enum).values()


def iso(message: Message, field: str) -> str | None:
    """Returns a timestamp field as ISO 8601 in UTC; None if unset."""
    if not message.HasField(field):
        return None
    return iso_of(getattr(message, field))


def iso_of(stamp: Timestamp) -> str:
    """Returns a time as ISO 8601 in UTC, with milliseconds."""
    return stamp.ToDatetime(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(duration: Duration) -> float:
    """Returns a duration in seconds."""
    return duration.seconds + duration.nanos / 1e9


def seconds_of(message: Message, field: str) -> float | None:
    """Returns a duration field in seconds; None if unset."""
    return seconds(getattr(message, field)) if message.HasField(field) else None


def finite(number: float) -> float | None:
    """Returns the number; None if JSON can't hold it."""
    return number if math.isfinite(number) else None
