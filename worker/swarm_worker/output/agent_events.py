"""Events of agents on stderr: one JSON object `{"method":…,"params":{…}}` a line, among arbitrary other text."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from swarm_worker.domain.model import LogKind, SessionLogLine, Usage
from swarm_worker.output.lines import OutputLine

if TYPE_CHECKING:
    from decimal import Decimal

# A model's reply arrives in small pieces; this many characters make a log entry even without a line end.
REPLY_CHARS: Final = 4_000
# Events that only a model's answer causes. `result/final` comes without one too.
_MODEL_METHODS: Final = frozenset(("result/delta", "thinking/delta", "tool/started", "tool/completed"))


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
            return [*self.flush(), SessionLogLine(LogKind.ERROR_OUTPUT, line.text)]
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
        if method == "tool/started":
            return [
                SessionLogLine(
                    LogKind.TOOL_STARTED, f"{_text(params.get('name'))} {_text(params.get('args'))}"
                )
            ]
        if method == "tool/completed":
            return [SessionLogLine(LogKind.TOOL_COMPLETED, _tool_completed_text(params))]
        if method == "error":
            return [
                SessionLogLine(
                    LogKind.ERROR_OUTPUT, f"{_text(params.get('code'))}: {_text(params.get('message'))}"
                )
            ]
        if method == "progress":
            return [SessionLogLine(LogKind.OUTPUT, _text(params.get("message") or params))]
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


def _tool_completed_text(params: Mapping[str, Any]) -> str:
    result = params.get("result")
    result = result if isinstance(result, dict) else {}
    took = f" ({params['durationMs']} ms)" if isinstance(params.get("durationMs"), int | float) else ""
    if result.get("success") is False:
        error = result.get("error")
        message = error.get("message") if isinstance(error, dict) else error
        return f"{_text(params.get('name'))} failed{took}: {_text(message)}"
    return f"{_text(params.get('name'))} done{took}: {_text(result.get('output'))}"


def _text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deeply)"


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
