"""The Python client of Amplifier Swarm: `Swarm` for asyncio, and `SwarmSync` that blocks.

Everything that is not exported here may change at any time. Modules are loaded with the first use of a name: swarmctl
needs few of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from amplifier_swarm.errors import Violation as Violation
    from amplifier_swarm_client.aio.orders import EmergencyStop as EmergencyStop
    from amplifier_swarm_client.aio.orders import Swarm as Swarm
    from amplifier_swarm_client.blocking.orders import SwarmSync as SwarmSync
    from amplifier_swarm_client.errors import Misconfigured as Misconfigured
    from amplifier_swarm_client.errors import NoAnswer as NoAnswer
    from amplifier_swarm_client.errors import SwarmError as SwarmError
    from amplifier_swarm_client.errors import Unreachable as Unreachable
    from amplifier_swarm_client.errors import WaitTimedOut as WaitTimedOut
    from amplifier_swarm_client.plan_source import TaskFileText as TaskFileText
    from amplifier_swarm_client.results import KilledTask as KilledTask
    from amplifier_swarm_client.results import TaskLogLine as TaskLogLine
    from amplifier_swarm_client.types import *  # noqa: F403  # all of them are exported
    from amplifier_swarm_client.types.reasons import *  # noqa: F403  # as above

_HERE: Final = "amplifier_swarm_client"
# The modules of the names, but for those of the types and of the server's errors.
_MODULES: Final = {
    "Violation": "amplifier_swarm.errors",
    "EmergencyStop": f"{_HERE}.aio.orders",
    "Swarm": f"{_HERE}.aio.orders",
    "SwarmSync": f"{_HERE}.blocking.orders",
    **dict.fromkeys(
        ("Misconfigured", "NoAnswer", "SwarmError", "Unreachable", "WaitTimedOut"), f"{_HERE}.errors"
    ),
    "TaskFileText": f"{_HERE}.plan_source",
    "KilledTask": f"{_HERE}.results",
    "TaskLogLine": f"{_HERE}.results",
}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return __dir__()
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    if not name.startswith("_"):
        for module in (f"{_HERE}.types", f"{_HERE}.types.reasons"):
            found = import_module(module)
            if name in found.__all__:
                return getattr(found, name)
    raise AttributeError(f"module {_HERE!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    types, reasons = import_module(f"{_HERE}.types"), import_module(f"{_HERE}.types.reasons")
    return sorted([*_MODULES, *types.__all__, *reasons.__all__])
