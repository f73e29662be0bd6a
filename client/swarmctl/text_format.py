"""Text for people: times, spans, numbers. Re-exports the words of documents, which tables use too."""

from collections.abc import Mapping
from datetime import UTC
from decimal import Decimal, InvalidOperation
from typing import Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from amplifier_swarm.documents.words import (
    finite,
    iso,
    seconds,
    seconds_of,
    value_of,
    word,
    words_of,
)
from amplifier_swarm.v1.session_pb2 import Usage

__all__ = [
    "HIGHEST_PRIORITY",
    "LOWEST_PRIORITY",
    "PRIORITIES",
    "between",
    "clock",
    "dollars",
    "finite",
    "iso",
    "plural",
    "priority_word",
    "seconds",
    "seconds_of",
    "span",
    "tokens",
    "value_of",
    "word",
    "words_of",
]


PRIORITIES: Final[Mapping[str, int]] = {"critical": 4, "high": 3, "medium": 2, "low": 1}
LOWEST_PRIORITY: Final = -1000
HIGHEST_PRIORITY: Final = 1000
_PRIORITY_WORDS: Final = {number: word for word, number in PRIORITIES.items()}


def clock(message: Message, field: str) -> str:
    """Returns the time of day of a timestamp field, in the local time zone."""
    stamp: Timestamp = getattr(message, field)
    return stamp.ToDatetime(UTC).astimezone().strftime("%H:%M:%S")


def between(message: Message, begin: str, end: str) -> float | None:
    """Returns the seconds from one timestamp field to another; None if one is unset."""
    if not (message.HasField(begin) and message.HasField(end)):
        return None
    passed_us: int = getattr(message, end).ToMicroseconds() - getattr(message, begin).ToMicroseconds()
    return passed_us / 1e6


def span(duration_s: float | None) -> str:
    """Returns a span of time in its two largest units, such as `1h02m` or `3.4s`."""
    if duration_s is None:
        return ""
    if duration_s < 60:
        return f"{max(0.0, duration_s):.1f}s"
    minutes, rest = divmod(int(duration_s), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m"


def tokens(usage: Usage) -> str:
    """Returns the usage of sessions, such as `12,345 in, 678 out, $0.04`; empty if nothing was used."""
    if not usage.input_tokens and not usage.output_tokens:
        return ""
    counts = f"{usage.input_tokens:,} in, {usage.output_tokens:,} out"
    return f"{counts}, {dollars(usage.cost)}" if usage.cost else counts


def dollars(cost: str) -> str:
    """Returns a cost for people; a text that is not a number stays as it is."""
    try:
        return f"${Decimal(cost):.4f}"
    except InvalidOperation:
        return cost


def plural(count: int, noun: str) -> str:
    """Returns a count with its noun, such as `1 task` and `2 tasks`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def priority_word(priority: int) -> str | int:
    """Returns the word of a priority, or the number itself if it has no word."""
    return _PRIORITY_WORDS.get(priority, priority)
