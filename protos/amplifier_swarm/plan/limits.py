"""The field `limits` of a task: memory with a unit, cpus, pids."""

from collections.abc import Iterator
from typing import Final

from amplifier_swarm.plan.scalars import described
from amplifier_swarm.plan.values import ValueField, entries_of, integer_of, number_of, text_of
from amplifier_swarm.sizes import format_bytes, parse_bytes
from amplifier_swarm.v1.operator_service_pb2 import PlannedTask
from amplifier_swarm.v1.task_pb2 import ResourceLimits

_INT32_HIGH: Final = 2**31 - 1
_INT64_HIGH: Final = 2**63 - 1
NAMES: Final = ("memory", "cpus", "pids")


def read_limits(field: ValueField, task: PlannedTask) -> None:
    """Sets the limits of the task; reports a name that is not one, and a value of the wrong kind."""
    limits = task.definition.limits
    for name, entry in entries_of(field, f"a mapping of {', '.join(NAMES)}"):
        if name == "memory":
            limits.memory_bytes = _memory(entry) or 0
        elif name == "cpus":
            limits.cpus = _cpus(entry) or 0.0
        elif name == "pids":
            limits.threads = integer_of(entry, "a number of processes", low=1, high=_INT32_HIGH) or 0
        else:
            entry.fault(f"is not a limit; known: {', '.join(NAMES)}")


def limits_document(limits: ResourceLimits) -> Iterator[tuple[str, str | float | int]]:
    """Yields the limits that are set, as a task file has them."""
    if limits.memory_bytes:
        yield "memory", format_bytes(limits.memory_bytes)
    if limits.cpus:
        yield "cpus", limits.cpus
    if limits.threads:
        yield "pids", limits.threads


def _memory(field: ValueField) -> int | None:
    text = text_of(field)
    if text is None:
        return None
    size = parse_bytes(text)
    if size is None or not 0 < size <= _INT64_HIGH:
        field.fault(f"must be a size such as 512M or 4G, got {described(field.node)}")
        return None
    return size


def _cpus(field: ValueField) -> float | None:
    what = "a number of processors above 0"
    number = number_of(field, what)
    if number == 0:
        field.fault(f"must be {what}, got {described(field.node)}")
    return number
