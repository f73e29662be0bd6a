"""The events of Amplifier's kernel, one JSON object a line, as its logging hook writes them for each session.

The hook moves some keys of an event's data, such as `error`, beside the data. It can write an event twice.
"""

import json
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from swarm_worker.domain.model import LogKind, SessionLogLine, Usage
from swarm_worker.output.agent_events import usage_of
from swarm_worker.output.lines import OutputLine
from swarm_worker.output.tool_lines import completed_line, error_text, started_line, value_text

REQUEST: Final = "llm:request"
RESPONSE: Final = "llm:response"
# Events of one answer of a model and of its tool calls that are remembered; parallel calls interleave.
REMEMBERED: Final = 1_024
# Events without a meaning for the worker hold whole conversations; they are not parsed.
_READ: Final = ("llm:", "provider:", "tool:", "content_block:end", "delegate:")
# A child's id becomes the name of a folder.
_CHILD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_NAME: Final = re.compile(r'"event"\s*:\s*"([^"\\]{1,100})"')
# The name of an event follows its time, its level and its schema.
_NAME_CHARS: Final = 400
_TOOL: Final = re.compile(r'(?<!\\)"(tool_name|tool_call_id)"\s*:\s*"([^"\\]{1,200})"')
_TOOL_CHARS: Final = 2_000
_USAGE: Final = re.compile(r'(?<!\\)"usage"\s*:\s*(?=\{)')


class KernelEvent(NamedTuple):
    """A line of the progress file; `data` includes the keys beside the event's data."""

    name: str
    data: Mapping[str, Any]

    @property
    def usage(self) -> Usage:
        """Returns the tokens and the cost of a model's answer."""
        if self.name != RESPONSE:
            return Usage()
        used = self.data.get("usage")
        used = used if isinstance(used, dict) else {}
        return usage_of(
            used.get("input_tokens", used.get("input")),
            used.get("output_tokens", used.get("output")),
            used.get("cost_usd", used.get("cost")),
        )

    @property
    def child(self) -> str:
        """Returns the id of the session that this event starts or continues; empty for other events."""
        child: object = None
        if self.name.startswith("delegate:agent_"):
            child = self.data.get("sub_session_id")
        elif self.name == "tool:pre" and self.data.get("tool_name") == "delegate":
            given = self.data.get("tool_input")
            child = given.get("session_id") if isinstance(given, dict) else None
        return child if isinstance(child, str) and _CHILD.fullmatch(child) else ""


@dataclass(slots=True)
class KernelEvents:
    """A reader of one session's events, which drops repeats."""

    # True after the first event of any kind.
    seen: bool = False
    _last: int = 0
    _known: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def read(self, line: OutputLine) -> KernelEvent | None:
        """Returns the event of a line; None if it is none, says nothing, or is written for the second time.

        Of a line that is cut, the name and the usage are read.
        """
        found = _NAME.search(line.text, 0, _NAME_CHARS)
        if found is not None and not found[1].startswith(_READ):
            self.seen = True
            return None
        record = _cut_record(line.text) if line.cut else _record(line.text)
        if record is None:
            return None
        self.seen = True
        if self._is_repeat(record):
            return None
        data = record.get("data")
        return KernelEvent(record["event"], {**record, **(data if isinstance(data, dict) else {})})

    def _is_repeat(self, record: Mapping[str, Any]) -> bool:
        """Returns whether an equal event was written since the last request to the model, whatever its time."""
        timeless = {key: value for key, value in record.items() if key not in ("ts", "timestamp")}
        key = hash(value_text(timeless))
        if key == self._last:
            return True
        self._last = key
        if record["event"] == REQUEST:
            self._known.clear()
        if key in self._known:
            return True
        self._known.append(key)
        return False


def log_lines(event: KernelEvent) -> Sequence[SessionLogLine]:
    """Returns the lines to log for an event: tool calls, their results, what the model says, and its errors."""
    name, data = event
    tool = value_text(data.get("tool_name", data.get("tool")))
    if name == "tool:pre":
        text = started_line(tool, data.get("tool_input", data.get("arguments")))
        return (SessionLogLine(LogKind.TOOL_STARTED, text),)
    if name == "tool:post":
        result = data.get("result")
        result = result if isinstance(result, dict) else {"output": result}
        text = completed_line(tool, result, duration_ms=data.get("duration_ms"))
        return (SessionLogLine(LogKind.TOOL_COMPLETED, text),)
    if name == "tool:error":
        text = completed_line(tool, {"success": False, "error": data.get("error")})
        return (SessionLogLine(LogKind.TOOL_COMPLETED, text),)
    if name == "content_block:end":
        block = data.get("block")
        text = (
            value_text(block.get("text")) if isinstance(block, dict) and block.get("type") == "text" else ""
        )
        return (SessionLogLine(LogKind.REPLY, text),) if text.strip() else ()
    if name.startswith(("llm:", "provider:")) and (error := error_text(data.get("error"))):
        return (SessionLogLine(LogKind.ERROR_OUTPUT, error),)
    return ()


def _record(text: str) -> dict[str, Any] | None:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("event"), str) else None


def _cut_record(text: str) -> dict[str, Any] | None:
    """Returns what the start of a line says: the name, the tool, the usage; the raw form of an answer follows them."""
    name = _NAME.search(text, 0, _NAME_CHARS)
    if name is None:
        return None
    record: dict[str, Any] = {"event": name[1]}
    record |= dict(_TOOL.findall(text[:_TOOL_CHARS]))
    if name[1] == RESPONSE and (usage := _USAGE.search(text)):
        try:
            record["usage"], _ = json.JSONDecoder().raw_decode(text, usage.end())
        except (ValueError, RecursionError):
            return record
    return record
