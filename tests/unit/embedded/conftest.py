"""Stand-ins for the kernel; the real one runs in test_session.py, in a process of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from amplifier_core import HookResult

from support import waiting


@dataclass
class Hooks:
    """Hooks that record the emitted events and deny the events that a test names."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    handlers: dict[str, Any] = field(default_factory=dict)
    denied: dict[str, str] = field(default_factory=dict)

    async def emit(self, event: str, data: dict[str, Any]) -> Any:
        self.events.append((event, data))
        if event in self.handlers:
            await self.handlers[event](event, data)
        if event in self.denied:
            return HookResult(action="deny", reason=self.denied[event])
        return HookResult(action="continue")

    def register(self, event: str, handler: Any, priority: int = 0, name: str | None = None) -> None:
        self.handlers[event] = handler

    def named(self, event: str) -> list[dict[str, Any]]:
        return [data for name, data in self.events if name == event]


@dataclass
class Token:
    """A cancellation token that a test sets."""

    is_cancelled: bool = False
    is_immediate: bool = False
    running: set[str] = field(default_factory=set)

    def cancel(self, *, immediate: bool) -> None:
        self.is_cancelled = True
        self.is_immediate = immediate

    def register_tool_start(self, tool_call_id: str, tool_name: str) -> None:
        self.running.add(tool_call_id)

    def register_tool_complete(self, tool_call_id: str) -> None:
        self.running.discard(tool_call_id)


@dataclass
class Coordinator:
    """The part of the kernel that the loop uses."""

    hooks: Hooks = field(default_factory=Hooks)
    cancellation: Token = field(default_factory=Token)

    def get(self, mount_point: str, name: str | None = None) -> Any:
        raise NotImplementedError

    async def mount(self, mount_point: str, module: Any, name: str | None = None) -> None:
        raise NotImplementedError

    async def process_hook_result(self, result: Any, event: str, hook_name: str) -> Any:
        return result


@pytest.fixture
def coordinator() -> Coordinator:
    return Coordinator()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits for a condition, for at most ten seconds."""

    def wait(condition: Callable[[], bool]) -> None:
        waiting.until(condition, "the condition holds", deadline_s=10)

    return wait
