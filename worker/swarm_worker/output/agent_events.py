"""Events of agents on stderr: one JSON object `{"method":…,"params":{…}}` a line, among arbitrary other text."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from swarm_worker.domain.model import LogKind, SessionLogLine, Usage
from swarm_worker.output.lines import OutputLine
from swarm_worker.output.tool_lines import completed_line, started_line, value_text

if TYPE_CHECKING:
    from decimal import Decimal

# A model's reply arrives in small pieces; this many characters make a log entry even without a line end.
REPLY_CHARS: Final = 4_000
# Events that only a model's answer causes. `result/final` comes without one too.
_MODEL_METHODS: Final = frozenset(("result/delta", "thinking/delta", "tool/started", "tool/completed"))
_METHOD: Final = re.compile(r'\{\s*"method"\s*:\s*"([\w./-]{1,60})"')


@dataclass(slots=True)
class EventReader:
    """A parser that turns stderr lines into log entries and sums up the usage."""

    usage: Usage = field(default_factory=Usage)
    # True once tokens were counted: a session can report success without a call of the model.
    model_used: bool = False
    # True after the first event; none comes before a model's first answer.
    has_events: bool = False
    # True once a model has been reached: tokens were counted, it replied or it called a tool.
    model_reached: bool = False
    _reply: str = ""

    def read(self, line: OutputLine) -> list[SessionLogLine]:
        """Returns the log entries for the line, possibly none."""
        event = None if line.cut else _parse_event(line.text)
        if event is None:
            return [*self.flush(), SessionLogLine(LogKind.ERROR_OUTPUT, _cut_event_text(line) or line.text)]
        method, params = event
        self.has_events = True
        self.model_reached = self.model_reached or method in _MODEL_METHODS
        if method == "result/delta":
            return self._append_reply(params.get("text"))
        return [*self.flush(), *self._entry(method, params)]

    def flush(self) -> list[SessionLogLine]:
        """Returns the pieces of the model's reply that no entry has reported yet."""
        reply, self._reply = self._reply, ""
        return [SessionLogLine(LogKind.REPLY, reply)] if reply.strip() else []

    def _append_reply(self, text: object) -> list[SessionLogLine]:
        if isinstance(text, str):
            self._reply += text
        return self.flush() if len(self._reply) >= REPLY_CHARS else []

    def _entry(self, method: str, params: Mapping[str, Any]) -> list[SessionLogLine]:
        if method == "usage":
            self._add_usage(params)
            return []
        # The events of a session's children have their name, and no folder of their own.
        child = value_text(params.get("agentName"))
        name = f"[{child}] {value_text(params.get('name'))}" if child else value_text(params.get("name"))
        if method == "tool/started":
            return [SessionLogLine(LogKind.TOOL_STARTED, started_line(name, params.get("args")))]
        if method == "tool/completed":
            result = params.get("result")
            result = result if isinstance(result, dict) else {}
            text = completed_line(name, result, duration_ms=params.get("durationMs"))
            return [SessionLogLine(LogKind.TOOL_COMPLETED, text)]
        if method == "error":
            text = f"{value_text(params.get('code'))}: {value_text(params.get('message'))}"
            return [SessionLogLine(LogKind.ERROR_OUTPUT, text)]
        if method == "progress":
            return [SessionLogLine(LogKind.OUTPUT, value_text(params.get("message") or params))]
        return []  # result/final and thinking repeat the reply

    def _add_usage(self, params: Mapping[str, Any]) -> None:
        used = usage_of(params.get("inputTokens"), params.get("outputTokens"), params.get("cost"))
        counted = used.input_tokens + used.output_tokens > 0
        self.model_used = self.model_used or counted
        self.model_reached = self.model_reached or counted
        # A roll-up repeats tokens that earlier events counted.
        if counted or "sessionCostTotal" not in params:
            self.usage = self.usage.plus(used)


def usage_of(input_tokens: object, output_tokens: object, cost: object) -> Usage:
    """Returns the usage that an agent reported; invalid numbers count as 0 tokens and an unknown cost."""
    return Usage(_count(input_tokens), _count(output_tokens), _cost(cost))


def _parse_event(text: str) -> tuple[str, Mapping[str, Any]] | None:
    if not text.startswith("{"):
        return None
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("method"), str):
        return None
    params = event.get("params")
    return event["method"], params if isinstance(params, dict) else {}


def _cut_event_text(line: OutputLine) -> str:
    """Returns a few words for an event that is too long to be read; empty for any other line."""
    method = _METHOD.match(line.text) if line.cut else None
    return f"{method[1]}: an event that is too long to be read" if method else ""


def _count(value: object) -> int:
    """Returns a number of tokens that fits the wire; 0 for any other value."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**40 else 0


def _cost(value: object) -> "Decimal | None":
    from decimal import Decimal, InvalidOperation  # noqa: PLC0415  # an idle worker does not load it

    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        cost = Decimal(str(value))
    except InvalidOperation:
        return None
    return cost if cost.is_finite() and 0 <= cost < 10**9 else None
