"""The translation of kernel events into the events of `amplifier-agent`.

The shapes are exactly those of `amplifier-agent`: an empty `result/final` follows every answer of the model, and the
text itself is in `result/delta`.
"""

import time
from typing import Any

from amplifier_core import HookResult
from amplifier_core import events as kernel_events

from swarm_worker.agent_library.ndjson import NdjsonStream
from swarm_worker.embedded.kernel import Hooks, Json


class Translator:
    """A listener on one session's hooks, which never changes or denies an event."""

    def __init__(self, stream: NdjsonStream) -> None:
        self._stream = stream
        self._begun_s: dict[str, float] = {}

    def attach(self, hooks: Hooks) -> None:
        """Registers handlers for the events that have a counterpart."""
        handlers = {
            kernel_events.TOOL_PRE: self._on_tool_started,
            kernel_events.TOOL_POST: self._on_tool_completed,
            kernel_events.CONTENT_BLOCK_END: self._on_content,
            kernel_events.LLM_RESPONSE: self._on_usage,
            kernel_events.PROVIDER_RESPONSE: self._on_answer,
            kernel_events.PROVIDER_ERROR: self._on_error,
            kernel_events.TOOL_ERROR: self._on_error,
        }
        for event, handler in handlers.items():
            hooks.register(event, _listener(handler), priority=1000, name=f"swarm-ndjson:{event}")

    def _on_tool_started(self, data: Json) -> None:
        self._begun_s[data["tool_call_id"]] = time.monotonic()
        self._stream.send(
            "tool/started", toolCallId=data["tool_call_id"], name=data["tool_name"], args=data["tool_input"]
        )

    def _on_tool_completed(self, data: Json) -> None:
        now_s = time.monotonic()
        result = data["result"]
        self._stream.send(
            "tool/completed",
            toolCallId=data["tool_call_id"],
            name=data["tool_name"],
            result={key: result.get(key) for key in ("success", "output", "error")},
            durationMs=round((now_s - self._begun_s.pop(data["tool_call_id"], now_s)) * 1000),
        )

    def _on_content(self, data: Json) -> None:
        if data["block_type"] == "text":
            self._stream.send("result/delta", text=data["block"]["text"])

    def _on_usage(self, data: Json) -> None:
        self._stream.send(
            "usage",
            inputTokens=data["usage"]["input_tokens"],
            outputTokens=data["usage"]["output_tokens"],
            llmDurationMs=data["duration_ms"],
            provider=data["provider"],
            model=data["model"],
        )

    def _on_answer(self, data: Json) -> None:
        self._stream.send("result/final", text="")

    def _on_error(self, data: Json) -> None:
        self._stream.error("runtime", str(data["error"]), recoverable=False)


def _listener(handler: Any) -> Any:
    async def listen(event: str, data: Json) -> Any:
        handler(data)
        return HookResult(action="continue")

    return listen
