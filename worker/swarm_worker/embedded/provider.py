"""The offline provider, which plays a script in place of a model, one tool call an answer.

The provider derives its position in the script from the conversation, as a model would, and stops at the first failed
call. Usage is an estimate from the size of the request and of the answer.
"""

import json
import time
from collections.abc import Sequence
from typing import Any, Final

from amplifier_core import (
    ChatRequest,
    ChatResponse,
    ModelInfo,
    ProviderInfo,
    TextBlock,
    ToolCall,
    ToolCallBlock,
    Usage,
)
from amplifier_core import events as kernel_events

from swarm_worker.embedded.kernel import Hooks
from swarm_worker.embedded.replies import PlayedCall, reply
from swarm_worker.embedded.task import Call, EmbeddedRole, Script

NAME: Final = "rehearsal"
MODEL: Final = "rehearsal"
# A common estimate for English text and code.
CHARS_PER_TOKEN: Final = 4


class RehearsalProvider:
    """An implementation of the kernel's provider contract without a network."""

    name = NAME

    def __init__(self, script: Script, role: EmbeddedRole, *, hooks: Hooks) -> None:
        self._script = script
        self._role = role
        self._hooks = hooks

    def get_info(self) -> Any:
        return ProviderInfo(
            id=NAME,
            display_name="Offline rehearsal",
            credential_env_vars=[],
            capabilities=["tools"],
            defaults={"model": MODEL},
        )

    async def list_models(self) -> list[Any]:
        return [ModelInfo(id=MODEL, display_name=MODEL, context_window=1_000_000, max_output_tokens=100_000)]

    async def complete(self, request: ChatRequest, **options: Any) -> Any:
        begun_s = time.monotonic()
        about = {"provider": NAME, "model": MODEL}
        await self._hooks.emit(kernel_events.LLM_REQUEST, about | {"message_count": len(request.messages)})
        response = self._answer(request)
        usage = response.usage.model_dump(mode="json", exclude_none=True)
        duration_ms = round((time.monotonic() - begun_s) * 1000)
        await self._hooks.emit(
            kernel_events.LLM_RESPONSE, about | {"usage": usage, "duration_ms": duration_ms, "status": "ok"}
        )
        return response

    def parse_tool_calls(self, response: ChatResponse) -> list[Any]:
        return list(response.tool_calls or [])

    def _answer(self, request: ChatRequest) -> Any:
        played = self._played(request.messages)
        done = len(played)
        halted = done > 0 and not played[-1].success
        if not halted and done < len(self._script.calls):
            return _tool_call_response(self._script.calls[done], number=done + 1, request=request)
        text = reply(self._role, played, scripted=self._script.reply)
        usage = _usage(request, text)
        return ChatResponse(content=[TextBlock(text=text)], usage=usage, finish_reason="stop")

    def _played(self, messages: Sequence[Any]) -> list[PlayedCall]:
        results = [message for message in messages if message.role == "tool"]
        return [
            PlayedCall(
                call=call,
                success=bool((message.metadata or {}).get("success")),
                output=message.content,
                error=(message.metadata or {}).get("error", ""),
            )
            for call, message in zip(self._script.calls, results, strict=False)
        ]


def _tool_call_response(call: Call, *, number: int, request: ChatRequest) -> Any:
    arguments = dict(call.arguments)
    ident = f"call-{number}"
    return ChatResponse(
        content=[ToolCallBlock(id=ident, name=call.tool, input=arguments)],
        tool_calls=[ToolCall(id=ident, name=call.tool, arguments=arguments)],
        usage=_usage(request, json.dumps({call.tool: arguments})),
        finish_reason="tool_calls",
    )


def _usage(request: ChatRequest, answer: str) -> Any:
    sent = sum(len(message.model_dump_json(exclude_none=True)) for message in request.messages)
    sent += sum(len(tool.model_dump_json(exclude_none=True)) for tool in request.tools or [])
    input_tokens = _tokens(sent)
    output_tokens = _tokens(len(answer))
    return Usage(
        input_tokens=input_tokens, output_tokens=output_tokens, total_tokens=input_tokens + output_tokens
    )


def _tokens(chars: int) -> int:
    return max(1, round(chars / CHARS_PER_TOKEN))
