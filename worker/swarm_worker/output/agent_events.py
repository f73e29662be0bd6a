"""Reads what sessions write on stderr: events as `{"method":…,"params":{…}}` a line, among anything else."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from swarm_worker.domain.model import LogKind, SessionLogLine, Usage
from swarm_worker.output.lines import OutputLine

if TYPE_CHECKING:
    from decimal import Decimal

# A model's words come in small pieces; this many characters make an entry even without a line's end.
REPLY_CHARS: Final = 4_000


@dataclass(slots=True)
class EventReader:
    """Makes log entries of stderr lines and adds up what was used."""

    usage: Usage = field(default_factory=Usage)
    # Whether the model was really asked: a session can report success without it.
    used: bool = False
    # Whether any event came yet; nothing does before a model's first answer.
    begun: bool = False
    _said: str = ""

    def read(self, line: OutputLine) -> list[SessionLogLine]:
        """What the line says that is worth keeping."""
        event = None if line.cut else _event(line.text)
        if event is None:
            return [*self.end(), SessionLogLine(LogKind.ERROR_OUTPUT, line.text)]
        method, params = event
        self.begun = True
        if method == "result/delta":
            return self._say(params.get("text"))
        return [*self.end(), *self._entry(method, params)]

    def end(self) -> list[SessionLogLine]:
        """What the model had begun to say."""
        said, self._said = self._said, ""
        return [SessionLogLine(LogKind.REPLY, said)] if said.strip() else []

    def _say(self, text: object) -> list[SessionLogLine]:
        if isinstance(text, str):
            self._said += text
        return self.end() if len(self._said) >= REPLY_CHARS else []

    def _entry(self, method: str, params: Mapping[str, Any]) -> list[SessionLogLine]:
        if method == "usage":
            self._add(params)
            return []
        if method == "tool/started":
            return [
                SessionLogLine(
                    LogKind.TOOL_STARTED, f"{_text(params.get('name'))} {_text(params.get('args'))}"
                )
            ]
        if method == "tool/completed":
            return [SessionLogLine(LogKind.TOOL_COMPLETED, _completed(params))]
        if method == "error":
            return [
                SessionLogLine(
                    LogKind.ERROR_OUTPUT, f"{_text(params.get('code'))}: {_text(params.get('message'))}"
                )
            ]
        if method == "progress":
            return [SessionLogLine(LogKind.OUTPUT, _text(params.get("message") or params))]
        return []  # result/final and thinking: nothing that is not in the reply

    def _add(self, params: Mapping[str, Any]) -> None:
        used = usage_of(params.get("inputTokens"), params.get("outputTokens"), params.get("cost"))
        counted = used.input_tokens + used.output_tokens > 0
        self.used = self.used or counted
        # A roll-up sums up what was counted already.
        if counted or "sessionCostTotal" not in params:
            self.usage = self.usage.plus(used)


def usage_of(came: object, went: object, cost: object) -> Usage:
    """A usage as it was told; what is no number counts as none."""
    return Usage(_count(came), _count(went), _cost(cost))


def _event(text: str) -> tuple[str, Mapping[str, Any]] | None:
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


def _completed(params: Mapping[str, Any]) -> str:
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
        return "(nested beyond reason)"


def _count(value: object) -> int:
    """A number of tokens that the wire can carry; anything else counts as none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**40 else 0


def _cost(value: object) -> "Decimal | None":
    from decimal import Decimal, InvalidOperation  # noqa: PLC0415  # an idle worker does without

    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        cost = Decimal(str(value))
    except InvalidOperation:
        return None
    return cost if cost.is_finite() and 0 <= cost < 10**9 else None
