"""Conversion of limits and of what workers can enforce."""

from amplifier_swarm.v1 import task_pb2
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.sandbox import NO_ENFORCEMENT, Enforcement, ResourceLimits
from swarmd.wire import enums


def read_limits(message: task_pb2.ResourceLimits) -> ResourceLimits:
    """Converts limits from their message; an unset one is 0."""
    return ResourceLimits(message.memory_bytes, message.cpus, message.threads)


def limits(value: ResourceLimits) -> task_pb2.ResourceLimits:
    """Converts limits to their message."""
    return task_pb2.ResourceLimits(memory_bytes=value.memory_bytes, cpus=value.cpus, threads=value.pids)


def read_enforcement(message: task_pb2.Enforcement) -> Enforcement:
    """Converts what a worker says of itself. A kind of sandbox that this server does not know is left out.

    Raises: InvalidRequest for a negative limit.
    """
    highest = read_limits(message.limits)
    # The comparison is written so that a NaN is refused too.
    if not (highest.memory_bytes >= 0 and highest.cpus >= 0 and highest.pids >= 0):
        raise InvalidRequest("enforcement", "limits must not be negative")
    kinds = enums.SANDBOX.known(message.sandboxes) if message.sandboxes else NO_ENFORCEMENT.sandboxes
    return Enforcement(kinds, message.no_network, highest)


def enforcement(value: Enforcement) -> task_pb2.Enforcement:
    """Converts what a worker can enforce to its message."""
    return task_pb2.Enforcement(
        sandboxes=[enums.SANDBOX.to_wire(kind) for kind in value.sandboxes],
        no_network=value.no_network,
        limits=limits(value.limits),
    )
