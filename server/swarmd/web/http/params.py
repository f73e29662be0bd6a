"""Parameters of routes, in a query or a body: each is defined once, for reading and for the OpenAPI description."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from swarmd.domain.errors import InvalidRequest

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

MAX_TEXT: Final = 1_000
# Where JSON numbers of every language are exact.
MAX_INTEGER: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Param(Generic[T]):
    """A parameter; `read` converts a query's text or a body's value and raises InvalidRequest if it is wrong."""

    name: str
    about: str
    schema: Mapping[str, Any]
    read: Callable[[str, Any], T]
    default: T
    repeated: bool = False


def text(name: str, about: str, *, limit: int = MAX_TEXT, default: str = "") -> Param[str]:
    """Defines a string parameter of at most `limit` characters."""

    def read(place: str, given: Any) -> str:
        if not isinstance(given, str):
            raise InvalidRequest(place, "must be a string")
        if len(given) > limit:
            raise InvalidRequest(place, f"has {len(given)} characters; at most {limit}")
        return given

    return Param(name, about, {"type": "string", "maxLength": limit}, read, default)


def integer(name: str, about: str, *, low: int = 0, high: int = MAX_INTEGER, default: int) -> Param[int]:
    """Defines an integer parameter within inclusive bounds."""

    def read(place: str, given: Any) -> int:
        digits = given.removeprefix("-") if isinstance(given, str) else ""
        plain = digits.isascii() and digits.isdecimal() and len(digits) < 20
        value = int(given) if plain else given
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise InvalidRequest(place, f"must be a whole number from {low} to {high}")
        return value

    schema = {"type": "integer", "minimum": low, "maximum": high, "default": default}
    return Param(name, about, schema, read, default)


def number(name: str, about: str, *, high: float) -> Param[float | None]:
    """Defines a number parameter from 0 to `high`; None if it is absent or null."""

    def read(place: str, given: Any) -> float | None:
        if given is None:
            return None
        plain = isinstance(given, int | float) and not isinstance(given, bool)
        if not plain or not 0 <= given <= high:
            raise InvalidRequest(place, f"must be a number from 0 to {high:g}")
        return float(given)

    schema = {"type": ["number", "null"], "minimum": 0, "maximum": high}
    return Param(name, about, schema, read, None)


def moment(name: str, about: str) -> Param[int | None]:
    """Defines a time, in ISO 8601, as microseconds since 1970; None if it is absent."""

    def read(place: str, given: Any) -> int | None:
        try:
            found = datetime.fromisoformat(given)
            at = found if found.tzinfo else found.replace(tzinfo=UTC)
            return int(at.timestamp() * 1_000_000)
        except (TypeError, ValueError, OverflowError):
            raise InvalidRequest(place, "must be a time such as 2026-01-31T12:00:00Z") from None

    return Param(name, about, {"type": "string", "format": "date-time"}, read, None)


def flag(name: str, about: str) -> Param[bool]:
    """Defines a boolean parameter, False if it is absent."""

    def read(place: str, given: Any) -> bool:
        if not isinstance(given, bool):
            raise InvalidRequest(place, "must be true or false")
        return given

    return Param(name, about, {"type": "boolean", "default": False}, read, False)


def switch(name: str, about: str) -> Param[bool]:
    """Defines a boolean parameter of a query: `true` or `false`; False if it is absent."""

    def read(place: str, given: Any) -> bool:
        if given not in ("true", "false"):
            raise InvalidRequest(place, "must be true or false")
        return bool(given == "true")

    return Param(name, about, {"type": "boolean", "default": False}, read, False)


def choice(name: str, about: str, kind: type[E]) -> Param[E | None]:
    """Defines a parameter whose value is a worker of the enum; None if it is absent or empty."""

    def read(place: str, given: Any) -> E | None:
        return None if given == "" else _member(kind, place, given)

    return Param(name, about, {"type": "string", "enum": [worker.value for worker in kind]}, read, None)


def choices(name: str, about: str, kind: type[E]) -> Param[Sequence[E]]:
    """Defines a list of members of the enum; a query repeats the name for each."""

    def read(place: str, given: Any) -> Sequence[E]:
        if not isinstance(given, list):
            raise InvalidRequest(place, "must be a list")
        return [_member(kind, place, value) for value in given]

    schema = {"type": "array", "items": {"type": "string", "enum": [worker.value for worker in kind]}}
    return Param(name, about, schema, read, (), repeated=True)


def cursor(name: str, about: str) -> Param[Sequence[str | int] | None]:
    """Defines a page cursor: the `next` of the page before."""

    def read(place: str, given: Any) -> Sequence[str | int] | None:
        if given == "":
            return None
        try:
            found = json.loads(base64.b64decode(str(given).encode(), altchars=b"-_", validate=True))
        except (binascii.Error, ValueError, RecursionError):
            found = None
        whole = isinstance(found, list) and all(type(part) in (str, int) for part in found) and is_text(found)
        if not isinstance(found, list) or not whole:
            raise InvalidRequest(place, "is not a cursor issued by this server")
        return found

    return Param(name, about, {"type": "string", "maxLength": 4_000}, read, None)


def write_cursor(*parts: str | int) -> str:
    """Encodes a page cursor, which `cursor` reads."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def is_text(document: Any) -> bool:
    """Returns False if a string in the JSON document is not valid Unicode: JSON may escape half of a character."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _member(kind: type[E], place: str, given: Any) -> E:
    try:
        return kind(given)
    except ValueError:
        known = ", ".join(worker.value for worker in kind)
        raise InvalidRequest(place, f"must be one of {known}") from None
