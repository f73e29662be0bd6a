"""The events of the library's turns, as the events that a worker reads.

Invariant: calls of one answer run at the same time, so a call is known by its id and never by its order.
"""

import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .errors import LibraryFault, fault_of
from .life_sign import LifeSign
from .ndjson import TEXT_LIMITS_CHARS, NdjsonStream
from .usage import TurnUsage, is_open


@dataclass(frozen=True, slots=True)
class TurnOutcome:
    """The outcome of a turn: its state, all text of it, and the error unless it succeeded."""

    state: str
    text: str = ""
    fault: LibraryFault | None = None
    # True if a model answered in the turn.
    answered: bool = False


@dataclass(slots=True)
class SessionSums:
    """The usage of all turns of a process."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal | None = None


@dataclass(slots=True)
class TurnEvents:
    """The translation of one turn's events."""

    stream: NdjsonStream
    life: LifeSign
    sums: SessionSums
    answered: bool = False
    _usage: TurnUsage = field(default_factory=TurnUsage)
    _names: dict[str, str] = field(default_factory=dict)
    _begun_s: dict[str, float] = field(default_factory=dict)
    _requests: dict[str, str] = field(default_factory=dict)
    _end: TurnOutcome | None = None

    async def read(self, turn: Any) -> TurnOutcome:
        """Reads all events of the turn; a turn without a last event has failed."""
        async for event in turn.events():
            self._translate(event.type, event.payload)
        gone = LibraryFault("internal_failed", "the turn ended without its last event")
        return self._end or TurnOutcome("failure", fault=gone, answered=self.answered)

    def _translate(self, kind: str, payload: Any) -> None:
        waits = kind == "usage" and is_open(payload.snapshot)
        reported = True
        if kind == "output_delta":
            self.answered = True
            self._on_text(_text(payload.content))
        elif kind == "tool_call":
            self._on_call(payload.call)
        elif kind == "tool_result":
            self._on_result(payload.resolution)
        elif kind == "usage":
            reported = self._on_usage(payload.snapshot)
        elif kind == "progress":
            data = payload.data
            self.stream.send("progress", message=data if isinstance(data, str) else repr(data))
        elif kind == "terminal":
            self._on_end(payload)
        else:
            reported = False
            self._on_unreported(kind, payload)
        self.life.note_event(waits=waits, is_reported=reported)

    def _on_text(self, text: str) -> None:
        # An event holds so much of a text; the log of the worker is to have all of it.
        for start in range(0, len(text), TEXT_LIMITS_CHARS[0]):
            self.stream.send("result/delta", text=text[start : start + TEXT_LIMITS_CHARS[0]])

    def _on_call(self, call: Any) -> None:
        self.answered = True
        self._names[call.call_id] = str(call.name)
        self._begun_s[call.call_id] = time.monotonic()
        self.stream.send("tool/started", toolCallId=call.call_id, name=call.name, args=call.arguments)

    def _on_unreported(self, kind: str, payload: Any) -> None:
        if kind in ("reasoning_delta", "reasoning_final"):
            self.answered = True
        elif kind == "approval_request" and payload.request.call_id:
            self._requests[payload.request.request_id] = payload.request.call_id
        elif kind == "approval_decision":
            # The call runs from now on; before that it may have waited for its turn.
            call_id = self._requests.pop(payload.resolution.request_id, "")
            if call_id in self._begun_s:
                self._begun_s[call_id] = time.monotonic()

    def _on_result(self, resolution: Any) -> None:
        call_id = resolution.call_id
        begun_s = self._begun_s.pop(call_id, time.monotonic())
        succeeded = resolution.outcome == "completed"
        error = getattr(resolution, "error", None)
        said = resolution.content or ""
        reason = "" if succeeded else said or (fault_of(error).text if error else str(resolution.outcome))
        self.stream.send(
            "tool/completed",
            toolCallId=call_id,
            name=self._names.pop(call_id, ""),
            result={"success": succeeded, "output": said, "error": {"message": reason} if reason else None},
            durationMs=round((time.monotonic() - begun_s) * 1000),
        )

    def _on_usage(self, snapshot: Any) -> bool:
        """Reports what was added; returns False if nothing was."""
        found = self._usage.update(snapshot)
        for added in found:
            self.answered = self.answered or added.tokens_out > 0
            self.sums.tokens_in += added.tokens_in
            self.sums.tokens_out += added.tokens_out
            cost = {}
            if added.cost is not None:
                self.sums.cost = (self.sums.cost or Decimal()) + added.cost
                cost = {"cost": str(added.cost)}
            self.stream.send(
                "usage",
                provider=added.provider,
                model=added.model,
                inputTokens=added.tokens_in,
                outputTokens=added.tokens_out,
                **cost,
            )
        return bool(found)

    def _on_end(self, result: Any) -> None:
        if result.usage is not None:
            self._on_usage(result.usage)
        fault = fault_of(result.error) if result.error is not None else None
        if fault is None and result.state != "success":
            fault = LibraryFault("internal_failed", f"the turn ended as {result.state!r} and gave no reason")
        self.answered = self.answered or (fault is not None and fault.proves_answer)
        self._end = TurnOutcome(str(result.state), _text(result.content), fault, self.answered)


def _text(parts: Any) -> str:
    return "".join(part.text for part in parts or () if isinstance(getattr(part, "text", None), str))
