"""Protocols for the objects of amplifier-core, which ships no types.

A protocol names only the members that the modules here use, so that a test's fake stays small.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

# Event payloads, messages and tool input are JSON by the kernel's contract.
Json = dict[str, Any]


class ToolDecision(Protocol):
    """The hooks' decision about an event."""

    action: str
    reason: str | None


class Hooks(Protocol):
    """The kernel's event registry."""

    async def emit(self, event: str, data: Json) -> ToolDecision: ...
    def register(self, event: str, handler: Any, priority: int = 0, name: str | None = None) -> Any: ...


class Token(Protocol):
    """The kernel's cancellation token; it calls no one back when it changes."""

    @property
    def is_cancelled(self) -> bool: ...
    @property
    def is_immediate(self) -> bool: ...
    def register_tool_start(self, tool_call_id: str, tool_name: str) -> None: ...
    def register_tool_complete(self, tool_call_id: str) -> None: ...


class Coordinator(Protocol):
    """The kernel's registry, to which modules are mounted."""

    @property
    def hooks(self) -> Hooks: ...
    @property
    def cancellation(self) -> Token: ...
    def get(self, mount_point: str, name: str | None = None) -> Any: ...
    async def mount(self, mount_point: str, module: Any, name: str | None = None) -> None: ...
    async def process_hook_result(self, result: ToolDecision, event: str, hook_name: str) -> ToolDecision: ...


class Context(Protocol):
    """The conversation."""

    async def add_message(self, message: Json) -> None: ...
    async def get_messages_for_request(
        self, token_budget: int | None = None, provider: Any | None = None
    ) -> list[Json]: ...


class Tool(Protocol):
    """A tool that the model may call."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def input_schema(self) -> Json: ...
    async def execute(self, input: Json) -> Any: ...  # noqa: A002  # the kernel's own word


class Provider(Protocol):
    """A model, or a substitute for one."""

    @property
    def name(self) -> str: ...
    async def complete(self, request: Any, **options: Any) -> Any: ...
    def parse_tool_calls(self, response: Any) -> Sequence[Any]: ...


Tools = Mapping[str, Tool]
Providers = Mapping[str, Provider]
