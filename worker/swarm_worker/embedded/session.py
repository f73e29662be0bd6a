"""The AmplifierSession, built from the modules of this package, for one turn.

Invariant: a module that fails to mount ends the session; the kernel itself would log the failure and go on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from amplifier_core import AmplifierSession, HookResult
from amplifier_core import events as kernel_events

from swarm_worker.agent_library.envelope import EnvelopeFault
from swarm_worker.agent_library.ndjson import NdjsonStream
from swarm_worker.embedded.bash import Bash
from swarm_worker.embedded.context import MemoryContext
from swarm_worker.embedded.files import ReadFile, WriteFile
from swarm_worker.embedded.hooks import Translator
from swarm_worker.embedded.kernel import Coordinator, Json, Tool
from swarm_worker.embedded.loader import LocalLoader, Mount
from swarm_worker.embedded.loop import Loop
from swarm_worker.embedded.provider import NAME as PROVIDER
from swarm_worker.embedded.provider import RehearsalProvider
from swarm_worker.embedded.request import VALIDATE, Request


class SessionFault(Exception):
    """An error for a session that could not be run, with the fault for the envelope."""

    def __init__(self, fault: EnvelopeFault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def modules(request: Request, stream: NdjsonStream) -> dict[str, Mount]:
    """Returns every module of a session by its id."""

    async def loop(coordinator: Coordinator) -> None:
        await coordinator.mount("orchestrator", Loop())

    async def context(coordinator: Coordinator) -> None:
        await coordinator.mount("context", MemoryContext())

    async def provider(coordinator: Coordinator) -> None:
        offline = RehearsalProvider(request.script, request.role, hooks=coordinator.hooks)
        await coordinator.mount("providers", offline, name=PROVIDER)

    async def events(coordinator: Coordinator) -> None:
        Translator(stream).attach(coordinator.hooks)

    tools: list[Tool] = [ReadFile(request.root), Bash(request.root)]
    if request.mode != VALIDATE:
        tools.append(WriteFile(request.root))
    mounts = {f"tool-{tool.name}": _tool_mount(tool) for tool in tools}
    return {"loop": loop, "context": context, "provider": provider, "hooks-ndjson": events} | mounts


def _tool_mount(tool: Tool) -> Mount:
    async def mount(coordinator: Coordinator) -> None:
        await coordinator.mount("tools", tool, name=tool.name)

    return mount


def _mount_plan(available: Mapping[str, Mount]) -> Json:
    """Returns the kernel's mount plan."""
    return {
        "session": {"orchestrator": {"module": "loop"}, "context": {"module": "context"}},
        "providers": [{"module": "provider"}],
        "tools": [{"module": name} for name in available if name.startswith("tool-")],
        "hooks": [{"module": "hooks-ndjson"}],
    }


@dataclass(slots=True)
class EmbeddedSession:
    """A session that is run once."""

    request: Request
    available: Mapping[str, Mount]
    _kernel: Any = field(init=False)
    _unmounted: list[EnvelopeFault] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._kernel = AmplifierSession(
            _mount_plan(self.available), session_id=self.request.session_id, is_resumed=self.request.resumed
        )
        coordinator = self._kernel.coordinator
        coordinator.loader = LocalLoader(self.available, coordinator=coordinator)
        coordinator.hooks.register(kernel_events.MODULE_LOAD_FAILED, self._load_failed, name="swarm-loading")

    async def run(self, prompt: str) -> str:
        """Returns the final answer, or an empty text after a cancel.

        Raises:
            SessionFault: the session could not be run.
        """
        try:
            async with self._kernel:
                if self._unmounted:
                    raise SessionFault(self._unmounted[0])
                return str(await self._kernel.execute(prompt))
        except RuntimeError as error:  # the kernel raises RuntimeError for every cause
            raise SessionFault(EnvelopeFault("internal", f"RuntimeError: {error}")) from error

    async def cancel(self) -> None:
        """Requests an immediate end, after which `run` returns soon."""
        await self._kernel.coordinator.request_cancel(immediate=True)

    async def _load_failed(self, event: str, data: Json) -> Any:
        code = "provider_init_failed" if data["module_type"] == "provider" else "bundle_load_failed"
        message = f"the module {data['module_id']!r} does not load: {data['error']}"
        self._unmounted.append(EnvelopeFault(code, message))
        return HookResult(action="continue")
