"""Gives the kernel the modules that are here, and no others.

Nothing is fetched and no entry point is looked up: what a session is made of does not depend on
what else is installed.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from amplifier_core import ModuleLoader

from swarm_worker.embedded.kernel import Coordinator, Json

Mount = Callable[[Coordinator], Awaitable[None]]


class LocalLoader(ModuleLoader):  # type: ignore[misc]  # amplifier-core ships no types
    """Looks modules up in a table.

    The session ignores a loader given to its constructor; set it on its coordinator.
    """

    def __init__(self, modules: Mapping[str, Mount], *, coordinator: Coordinator) -> None:
        super().__init__(coordinator=coordinator)
        self._modules = modules

    async def load(
        self,
        module_id: str,
        config: Json | None = None,
        source_hint: Any = None,
        coordinator: Coordinator | None = None,
    ) -> Mount:
        if module_id not in self._modules:
            raise LookupError(f"there is no module {module_id!r} in this runner")
        return self._modules[module_id]
