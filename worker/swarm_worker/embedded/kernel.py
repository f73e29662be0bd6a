"""The shapes of what amplifier-core hands to our modules; it ships no types of its own.

Only what the modules here really use is named, so that a test's fake is a few lines.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

# What crosses the kernel is JSON by its contract: event payloads, messages, tool input.
Json = dict[str, Any]


class Decision(Protocol):
    """What the hooks made of an event."""

    action: str
    reason: str | None


class Hooks(Protocol):
    """The kernel's event registry."""

    async def emit(self, event: str, data: Json) -> Decision: ...
    def register(self, event: str, handler: Any, priority: int = 0, name: str | None = None) -> Any: ...


class Token(Protocol):
    """The kernel's cancellation token; it changes without telling anyone."""

    @property
    def is_cancelled(self) -> bool: ...
    @property
    def is_immediate(self) -> bool: ...
    def register_tool_start(self, tool_call_id: str, tool_name: str) -> None: ...
    def register_tool_complete(self, tool_call_id: str) -> None: ...


class Coordinator(Protocol):
    """The kernel's hub, to which modules mount themselves."""

    @property
    def hooks(self) -> Hooks: ...
    @property
    def cancellation(self) -> Token: ...
    def get(self, mount_point: str, name: str | None = None) -> Any: ...
    async def mount(self, mount_point: str, module: Any, name: str | None = None) -> None: ...
    async def process_hook_result(self, result: Decision, event: str, hook_name: str) -> Decision: ...


class Context(Protocol):
    """The conversation."""

    async def add_message(self, message: Json) -> None: ...
    async def get_messages_for_request(
        self, token_budget: int | None = None, provider: Any | None = None
    ) -> list[Json]: ...


class Tool(Protocol):
    """Something that the model may call."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def input_schema(self) -> Json: ...
    async def execute(self, input: Json) -> Any: ...  # noqa: A002  # the kernel's own word


class Provider(Protocol):
    """A model, or what stands in for one."""

    @property
    def name(self) -> str: ...
    async def complete(self, request: Any, **options: Any) -> Any: ...
    def parse_tool_calls(self, response: Any) -> Sequence[Any]: ...


Tools = Mapping[str, Tool]
Providers = Mapping[str, Provider]
