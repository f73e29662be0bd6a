"""The orchestrator: it asks the provider and runs the called tools, until an answer calls no tool.

The orchestrator emits the kernel's canonical events and honours the cancellation token. A graceful cancel ends the
session between two steps; an immediate cancel interrupts the provider's answer or the tool.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple, TypeVar

from amplifier_core import ChatRequest, Message, ToolSpec
from amplifier_core import events as kernel_events

from swarm_worker.embedded.kernel import Context, Coordinator, Hooks, Json, Provider, Providers, Token, Tools
from swarm_worker.embedded.results import failed_result

NAME: Final = "swarm-loop"
# Far above the answers of a real session; a session with more is in an endless loop.
MAX_ANSWERS: Final = 10_000
# The interval at which the token is polled for an immediate cancel; the token has no callback.
POLL_S: Final = 0.05

T = TypeVar("T")


class TurnStatus(Enum):
    """The end of a turn, in the kernel's words."""

    SUCCESS = "success"
    CANCELLED = "cancelled"
    DENIED = "denied"
    ERROR = "error"


class Loop:
    """An implementation of the kernel's orchestrator contract."""

    async def execute(
        self,
        prompt: str,
        context: Context,
        providers: Providers,
        tools: Tools,
        hooks: Hooks,
        *,
        coordinator: Coordinator,
        **_: Any,
    ) -> str:
        """Returns the final answer, or an empty text if the turn was cancelled."""
        name, provider = next(iter(providers.items()))
        return await _Turn(prompt, context, name, provider, tools, hooks, coordinator).run()


class TurnEnd(NamedTuple):
    """The final answer of a turn, and how the turn ended."""

    text: str
    status: TurnStatus


@dataclass(slots=True)
class _Turn:
    prompt: str
    context: Context
    provider_name: str
    provider: Provider
    tools: Tools
    hooks: Hooks
    coordinator: Coordinator
    answers: int = 0

    async def run(self) -> str:
        text, status = "", TurnStatus.ERROR
        await self.hooks.emit(kernel_events.EXECUTION_START, {"prompt": self.prompt})
        try:
            text, status = await self._converse()
        finally:
            done = {"orchestrator": NAME, "turn_count": self.answers, "status": status.value}
            await self.hooks.emit(kernel_events.ORCHESTRATOR_COMPLETE, done)
            word = "completed" if status is TurnStatus.SUCCESS else status.value
            await self.hooks.emit(kernel_events.EXECUTION_END, {"response": text, "status": word})
        return text

    async def _converse(self) -> TurnEnd:
        denial = await self._denial(kernel_events.PROMPT_SUBMIT, {"prompt": self.prompt})
        if denial is not None:
            return TurnEnd(f"Error: denied: {denial}", TurnStatus.DENIED)
        await self.context.add_message({"role": "user", "content": self.prompt})
        while self.answers < MAX_ANSWERS:
            if self._token.is_cancelled:
                return TurnEnd("", TurnStatus.CANCELLED)
            self.answers += 1
            response = await self._request_answer()
            if response is None:
                return TurnEnd("", TurnStatus.CANCELLED)
            text, calls = await self._record_answer(response)
            if not calls:
                await self.hooks.emit(kernel_events.PROMPT_COMPLETE, {"response": text})
                return TurnEnd(text, TurnStatus.SUCCESS)
            for call in calls:
                await self._call_tool(call)
        raise RuntimeError(f"no end after {MAX_ANSWERS:,} answers")

    async def _request_answer(self) -> Any | None:
        about = {"provider": self.provider_name, "iteration": self.answers}
        await self.hooks.emit(kernel_events.PROVIDER_REQUEST, about)
        messages = await self.context.get_messages_for_request(provider=self.provider)
        request = ChatRequest(
            messages=[Message(**message) for message in messages],
            tools=[
                ToolSpec(name=tool.name, description=tool.description, parameters=tool.input_schema)
                for tool in self.tools.values()
            ],
        )
        try:
            return await unless_cancelled(self.provider.complete(request), self._token)
        except Exception as error:
            fault = about | {"error": f"{type(error).__name__}: {error}"}
            await self.hooks.emit(kernel_events.PROVIDER_ERROR, fault)
            raise

    async def _record_answer(self, response: Any) -> tuple[str, list[Any]]:
        """Emits the events of an answer and stores its message; returns its text and its tool calls."""
        for index, block in enumerate(response.content):
            place = {"block_type": block.type, "block_index": index}
            await self.hooks.emit(kernel_events.CONTENT_BLOCK_START, place)
            whole = place | {"block": block.model_dump(mode="json", exclude_none=True)}
            await self.hooks.emit(kernel_events.CONTENT_BLOCK_END, whole)
        about = {"provider": self.provider_name, "iteration": self.answers}
        await self.hooks.emit(kernel_events.PROVIDER_RESPONSE, about)
        text = "".join(block.text for block in response.content if block.type == "text")
        calls = list(self.provider.parse_tool_calls(response))
        message: Json = {"role": "assistant", "content": text}
        if calls:
            message["tool_calls"] = [
                {"id": call.id, "tool": call.name, "arguments": call.arguments} for call in calls
            ]
        await self.context.add_message(message)
        return text, calls

    async def _call_tool(self, call: Any) -> None:
        about = {"tool_name": call.name, "tool_call_id": call.id, "tool_input": call.arguments}
        denial = await self._denial(kernel_events.TOOL_PRE, about)
        result = await self._run_tool(call, about) if denial is None else failed_result(denial)
        await self.hooks.emit(kernel_events.TOOL_POST, about | {"result": result.model_dump(mode="json")})
        answer = {
            "role": "tool",
            "tool_call_id": call.id,
            "content": result.get_serialized_output(),
            "metadata": {"success": result.success, "error": (result.error or {}).get("message", "")},
        }
        await self.context.add_message(answer)

    async def _run_tool(self, call: Any, about: Json) -> Any:
        tool = self.tools.get(call.name)
        if tool is None:
            known = ", ".join(sorted(self.tools))
            return failed_result(f"{call.name!r} is not a tool of this session; its tools are {known}")
        if self._token.is_immediate:
            return failed_result("cancelled")
        self._token.register_tool_start(call.id, call.name)
        try:
            result = await unless_cancelled(tool.execute(call.arguments), self._token)
        except Exception as error:
            fault = about | {"error": f"{type(error).__name__}: {error}"}
            await self.hooks.emit(kernel_events.TOOL_ERROR, fault)
            raise
        finally:
            self._token.register_tool_complete(call.id)
        return failed_result("cancelled") if result is None else result

    async def _denial(self, event: str, data: Json) -> str | None:
        """Returns a hook's reason to deny the event, or None."""
        decision = await self.hooks.emit(event, data)
        decision = await self.coordinator.process_hook_result(decision, event, NAME)
        return (decision.reason or "a hook denied it") if decision.action == "deny" else None

    @property
    def _token(self) -> Token:
        return self.coordinator.cancellation


async def unless_cancelled(work: Coroutine[Any, Any, T], token: Token) -> T | None:
    """Returns the result of `work`, or None after an immediate cancel; by then `work` has ended too."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=POLL_S)
            if token.is_immediate and not task.done():
                return None
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
