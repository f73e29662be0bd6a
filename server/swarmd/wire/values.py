"""Conversion of times, durations and money."""

from decimal import Decimal
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from amplifier_swarm.documents import words
from amplifier_swarm.v1 import session_pb2
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import Usage

_NANODOLLARS: Final = Decimal(1_000_000_000)
# The range of a Timestamp.
_YEAR_1_S: Final = -62_135_596_800
_YEAR_9999_S: Final = 253_402_300_799
# Within SQLite's integers, and more than any bill.
_MAX: Final = 2**62


def timestamp(us: int | None) -> Timestamp | None:
    """Converts microseconds since 1970 to a Timestamp; None stays unset."""
    return None if us is None else Timestamp(seconds=us // 1_000_000, nanos=us % 1_000_000 * 1_000)


def timestamp_us(value: Timestamp, field: str) -> int:
    """Converts a Timestamp to microseconds since 1970.

    Raises: InvalidRequest for a time before the year 1 or after 9999.
    """
    if not _YEAR_1_S <= value.seconds <= _YEAR_9999_S:
        raise InvalidRequest(field, "is not a time between the years 1 and 9999")
    return value.seconds * 1_000_000 + value.nanos // 1_000


def duration(seconds: float | None) -> Duration | None:
    """Converts seconds to a Duration; None stays unset."""
    if seconds is None:
        return None
    nanos = round(seconds * 1_000_000_000)
    return Duration(seconds=nanos // 1_000_000_000, nanos=nanos % 1_000_000_000)


def seconds(value: Duration) -> float:
    """Converts a Duration to seconds."""
    return value.seconds + value.nanos / 1_000_000_000


def usage(value: Usage) -> session_pb2.Usage:
    """Converts tokens and cost to their message."""
    cost = "" if value.cost_nano is None else f"{Decimal(value.cost_nano) / _NANODOLLARS:f}"
    return session_pb2.Usage(input_tokens=value.input_tokens, output_tokens=value.output_tokens, cost=cost)


def read_usage(value: session_pb2.Usage) -> Usage:
    """Converts the tokens and cost that a worker reports.

    Raises: InvalidRequest for a negative or senseless value.
    """
    if not (0 <= value.input_tokens < _MAX and 0 <= value.output_tokens < _MAX):
        raise InvalidRequest("usage", "token counts must not be negative")
    return Usage(value.input_tokens, value.output_tokens, _read_cost(value.cost))


def _read_cost(text: str) -> int | None:
    if not text:
        return None
    try:
        nano = int(Decimal(text) * _NANODOLLARS)
    except (ArithmeticError, ValueError):
        nano = -1
    if not 0 <= nano < _MAX:
        raise InvalidRequest("usage.cost", "must be a decimal number of dollars, not negative")
    return nano


def iso(us: int | None) -> str | None:
    """Converts microseconds since 1970 to the text that documents have; None stays None."""
    stamp = timestamp(us)
    return None if stamp is None else words.iso_of(stamp)
