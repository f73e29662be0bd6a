"""The kernel's module loader, limited to the modules of this package.

Invariant: nothing is fetched and no entry point is read, so a session does not depend on other installed packages.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from amplifier_core import ModuleLoader

from swarm_worker.embedded.kernel import Coordinator, Json

Mount = Callable[[Coordinator], Awaitable[None]]


class LocalLoader(ModuleLoader):  # type: ignore[misc]  # amplifier-core ships no types
    """A loader that looks modules up in a table.

    The session ignores a loader passed to its constructor; set the loader on the session's coordinator.
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
            raise LookupError(f"{module_id!r} is not a module of this runner")
        return self._modules[module_id]
