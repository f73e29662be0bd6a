"""The library's plain values."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from ._errors import AgentError


class ToolFailed(Exception):
    """A handler's report of a failed effect."""


class ToolOutcomeUnknown(Exception):
    """A handler's report that it does not know whether its effect came about."""


@dataclass
class TextPart:
    """A piece of text."""

    text: str
    type: str = "text"


@dataclass
class TurnInput:
    """The input of a turn."""

    content: list[TextPart]
    model: str | None = None


@dataclass
class SessionOptions:
    """The options of a new session."""

    session_id: str | None = None
    persistence: str = "durable"
    model: str | None = None


@dataclass(frozen=True)
class ToolContext:
    """The context of a call."""

    call_id: str
    deadline: datetime | None = None


@dataclass
class Tool:
    """A tool of the caller."""

    name: str
    description: str
    input_schema: dict[str, Any]
    handler: Callable[[dict[str, Any], ToolContext], Awaitable[str]]
    safety: dict[str, Any] | None = None


@dataclass
class ToolCall:
    """A call by the model."""

    call_id: str
    name: str
    source: str
    arguments: dict[str, Any]
    deadline: datetime | None = None


@dataclass
class ToolResolution:
    """The end of a call."""

    call_id: str
    outcome: str
    content: str | None = None
    error: AgentError | None = None
    truncated: bool = False
    original_bytes: int | None = None


@dataclass
class UsageEntry:
    """The sums of one model in a turn; None is unknown, not zero."""

    provider: str
    model: str
    tokens_in: int | None = None
    tokens_out: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cost: dict[str, Decimal] | None = None


@dataclass
class Usage:
    """The sums of a turn."""

    entries: list[UsageEntry]


@dataclass
class TurnResult:
    """The payload of a turn's last event."""

    state: str
    content: list[TextPart] | None = None
    error: AgentError | None = None
    usage: Usage | None = None


class Payload:
    """The payload of any other event."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


@dataclass
class Event:
    """An event; the engine never sets its time."""

    session_id: str
    turn_id: str
    sequence: int
    type: str
    payload: Any
    contract_version: str = "turn-events/1"
    at: datetime | None = None
