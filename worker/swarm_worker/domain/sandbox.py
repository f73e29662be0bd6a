"""Sandboxes and limits of sessions, as a task asks for them."""

from enum import StrEnum
from typing import Final, NamedTuple

from amplifier_swarm.sizes import format_bytes


class NetworkAccess(StrEnum):
    """The extent to which a task reaches the network."""

    NONE = "none"
    FULL = "full"


class Resource(StrEnum):
    """A resource that can be limited, in the words of a task file."""

    MEMORY = "memory"
    CPUS = "cpus"
    PIDS = "pids"


class ResourceLimits(NamedTuple):
    """Limits of one session with everything that it starts; 0 means unlimited."""

    memory_bytes: int = 0
    cpus: float = 0.0
    pids: int = 0

    def lowest(self, other: "ResourceLimits") -> "ResourceLimits":
        """Returns the stricter limit of each resource."""
        pairs = zip(self, other, strict=True)
        memory, cpus, pids = (min(one or two, two or one) for one, two in pairs)
        return ResourceLimits(int(memory), float(cpus), int(pids))

    def limit_of(self, resource: Resource) -> float:
        """Returns the limit of one resource, 0 for none."""
        return self[tuple(Resource).index(resource)]

    def described(self, resource: Resource) -> str:
        """Returns a resource with its limit, for people: `memory (4G)`."""
        limit = self.limit_of(resource)
        return f"{resource} ({format_bytes(int(limit)) if resource is Resource.MEMORY else f'{limit:g}'})"


NO_LIMITS: Final = ResourceLimits()
