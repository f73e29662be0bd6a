"""The orchestrator: asks the provider, runs the tools it calls, asks again, until it calls none.

It emits the kernel's canonical events itself, and it is the one place that honours the
cancellation token: a graceful cancel ends the session between two steps, an immediate one in the
midst of a provider's answer or a tool's work.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar

from amplifier_core import ChatRequest, Message, ToolSpec
from amplifier_core import events as kernel_events

from swarm_worker.embedded.kernel import Context, Coordinator, Hooks, Json, Provider, Providers, Token, Tools
from swarm_worker.embedded.results import failed

NAME: Final = "swarm-loop"
# No honest session comes near; one that does is going in circles.
MAX_ANSWERS: Final = 10_000
# How late an immediate cancel is noticed: the token calls nobody back when it turns.
NOTICE_S: Final = 0.05

T = TypeVar("T")


class TurnStatus(Enum):
    """How a turn ended, in the kernel's words."""

    SUCCESS = "success"
    CANCELLED = "cancelled"
    DENIED = "denied"
    ERROR = "error"


class Loop:
    """The kernel's orchestrator contract."""

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

    async def _converse(self) -> tuple[str, TurnStatus]:
        denial = await self._denial(kernel_events.PROMPT_SUBMIT, {"prompt": self.prompt})
        if denial is not None:
            return f"Error: denied: {denial}", TurnStatus.DENIED
        await self.context.add_message({"role": "user", "content": self.prompt})
        while self.answers < MAX_ANSWERS:
            if self._token.is_cancelled:
                return "", TurnStatus.CANCELLED
            self.answers += 1
            response = await self._ask()
            if response is None:
                return "", TurnStatus.CANCELLED
            text, calls = await self._take(response)
            if not calls:
                await self.hooks.emit(kernel_events.PROMPT_COMPLETE, {"response": text})
                return text, TurnStatus.SUCCESS
            for call in calls:
                await self._call(call)
        raise RuntimeError(f"no end after {MAX_ANSWERS:,} answers")

    async def _ask(self) -> Any | None:
        asked = {"provider": self.provider_name, "iteration": self.answers}
        await self.hooks.emit(kernel_events.PROVIDER_REQUEST, asked)
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
            fault = asked | {"error": f"{type(error).__name__}: {error}"}
            await self.hooks.emit(kernel_events.PROVIDER_ERROR, fault)
            raise

    async def _take(self, response: Any) -> tuple[str, list[Any]]:
        """Announces and remembers an answer; returns its text and its tool calls."""
        for index, block in enumerate(response.content):
            place = {"block_type": block.type, "block_index": index}
            await self.hooks.emit(kernel_events.CONTENT_BLOCK_START, place)
            whole = place | {"block": block.model_dump(mode="json", exclude_none=True)}
            await self.hooks.emit(kernel_events.CONTENT_BLOCK_END, whole)
        heard = {"provider": self.provider_name, "iteration": self.answers}
        await self.hooks.emit(kernel_events.PROVIDER_RESPONSE, heard)
        text = "".join(block.text for block in response.content if block.type == "text")
        calls = list(self.provider.parse_tool_calls(response))
        message: Json = {"role": "assistant", "content": text}
        if calls:
            message["tool_calls"] = [
                {"id": call.id, "tool": call.name, "arguments": call.arguments} for call in calls
            ]
        await self.context.add_message(message)
        return text, calls

    async def _call(self, call: Any) -> None:
        about = {"tool_name": call.name, "tool_call_id": call.id, "tool_input": call.arguments}
        denial = await self._denial(kernel_events.TOOL_PRE, about)
        result = await self._run(call, about) if denial is None else failed(denial)
        await self.hooks.emit(kernel_events.TOOL_POST, about | {"result": result.model_dump(mode="json")})
        answer = {
            "role": "tool",
            "tool_call_id": call.id,
            "content": result.get_serialized_output(),
            "metadata": {"success": result.success, "error": (result.error or {}).get("message", "")},
        }
        await self.context.add_message(answer)

    async def _run(self, call: Any, about: Json) -> Any:
        tool = self.tools.get(call.name)
        if tool is None:
            return failed(f"there is no tool {call.name!r}; there are {', '.join(sorted(self.tools))}")
        if self._token.is_immediate:
            return failed("cancelled")
        self._token.register_tool_start(call.id, call.name)
        try:
            result = await unless_cancelled(tool.execute(call.arguments), self._token)
        except Exception as error:
            fault = about | {"error": f"{type(error).__name__}: {error}"}
            await self.hooks.emit(kernel_events.TOOL_ERROR, fault)
            raise
        finally:
            self._token.register_tool_complete(call.id)
        return failed("cancelled") if result is None else result

    async def _denial(self, event: str, data: Json) -> str | None:
        """Why a hook forbids what is about to happen; None if none does."""
        decision = await self.hooks.emit(event, data)
        decision = await self.coordinator.process_hook_result(decision, event, NAME)
        return (decision.reason or "a hook said no") if decision.action == "deny" else None

    @property
    def _token(self) -> Token:
        return self.coordinator.cancellation


async def unless_cancelled(work: Coroutine[Any, Any, T], token: Token) -> T | None:
    """The result, or None once the token asks for an immediate end; the work has then ended too."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=NOTICE_S)
            if token.is_immediate and not task.done():
                return None
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
