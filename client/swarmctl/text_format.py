"""Text for people: times, spans, numbers. Re-exports the words of documents, which tables use too."""

import os
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
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

_RFC3339: Final = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")

__all__ = [
    "between",
    "clock",
    "dollars",
    "finite",
    "hours",
    "iso",
    "localized",
    "minutes",
    "moment",
    "plural",
    "seconds",
    "seconds_of",
    "span",
    "tokens",
    "use_utc",
    "value_of",
    "word",
    "words_of",
]


def use_utc() -> None:
    """Makes UTC the local time zone of this process, so that all output has it."""
    os.environ["TZ"] = "UTC"
    time.tzset()


def clock(message: Message, field: str, *, now: datetime | None = None) -> str:
    """Returns the local time of day of a timestamp field, with the date before it unless that is today's."""
    if not message.HasField(field):
        return "--:--:--"
    return _clock(_local(message, field), now)


def _clock(local: datetime, now: datetime | None) -> str:
    today = (now or datetime.now(UTC)).astimezone().date()
    return local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M:%S")


def localized(text: str, *, now: datetime | None = None) -> str:
    """Returns a text of the server with its times, which are RFC 3339 in UTC, as `clock` shows times."""
    return _RFC3339.sub(lambda found: _clock(datetime.fromisoformat(found[0]).astimezone(), now), text)


def moment(message: Message, field: str) -> str:
    """Returns the local date and time of a timestamp field with the offset from UTC; empty if it is unset."""
    return _local(message, field).isoformat(" ", "seconds") if message.HasField(field) else ""


def _local(message: Message, field: str) -> datetime:
    stamp: Timestamp = getattr(message, field)
    return stamp.ToDatetime(UTC).astimezone()


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


def minutes(duration_s: float) -> str:
    """Returns a span of time of a minute or more in words, such as `6 min` or `2 h 5 min`."""
    hours, rest = divmod(int(duration_s) // 60, 60)
    if not hours:
        return f"{rest} min"
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def tokens(usage: Usage) -> str:
    """Returns the usage of sessions, such as `12,345 in, 678 out, $0.04`; empty if nothing was used."""
    if not usage.input_tokens and not usage.output_tokens:
        return ""
    counts = f"{usage.input_tokens:,} in, {usage.output_tokens:,} out"
    return f"{counts}, {dollars(usage.cost)}" if usage.cost else counts


def dollars(cost: str) -> str:
    """Returns a cost for people; a text that is not a number stays as it is."""
    try:
        amount = Decimal(cost)
        return f"${amount:,.2f}" if abs(amount) >= 1 else f"${amount:.4f}"
    except InvalidOperation:
        return cost


def hours(done: float, everything: float) -> str:
    """Returns how many of the estimated hours are done; only the estimate while none is."""
    total = f"{everything:,g} estimated {'hour' if everything == 1 else 'hours'}"
    return f"{done:,g} of {total}" if done else total


def first_names(names: Sequence[str], most: int, *, total: int | None = None) -> str:
    """Returns at most that many names, with "…" behind them if there are more; `total` counts those not given too."""
    left_out = (len(names) if total is None else total) > most
    return ", ".join(names[:most]) + (", …" if left_out else "")


def plural(count: int, noun: str) -> str:
    """Returns a count with its noun, such as `1 task` and `2 tasks`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
