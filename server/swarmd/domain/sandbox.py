"""Sandboxes and limits: what a task asks for, and what a worker can enforce."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MIB: Final = 1024**2
MIN_MEMORY: Final = 16 * MIB
MAX_MEMORY: Final = 1024**5
MIN_CPUS: Final = 0.01
MAX_CPUS: Final = 1024.0
# Fewer would not start a shell with a pipeline; more than the kernel gives out.
MIN_PIDS: Final = 8
MAX_PIDS: Final = 4_194_304


class SandboxKind(StrEnum):
    """The kinds of sandbox."""

    NONE = "none"
    AUTO = "auto"
    BWRAP = "bwrap"
    CONTAINER = "container"


class NetworkAccess(StrEnum):
    """The extents to which a task reaches the network."""

    NONE = "none"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """Limits of one session with everything that it starts; 0 means unlimited."""

    memory_bytes: int = 0
    cpus: float = 0.0
    pids: int = 0

    def __bool__(self) -> bool:
        return bool(self.memory_bytes or self.cpus or self.pids)


NO_LIMITS: Final = ResourceLimits()


@dataclass(frozen=True, slots=True)
class Enforcement:
    """The abilities of a worker to enforce; `limits` are the highest that it can keep, 0 for none at all."""

    sandboxes: Sequence[SandboxKind] = (SandboxKind.NONE,)
    no_network: bool = False
    limits: ResourceLimits = NO_LIMITS

    def makes(self, wanted: SandboxKind) -> bool:
        """Returns whether a task that asks for that sandbox gets it."""
        if wanted is SandboxKind.AUTO:
            return any(kind is not SandboxKind.NONE for kind in self.sandboxes)
        return wanted in self.sandboxes


NO_ENFORCEMENT: Final = Enforcement()
