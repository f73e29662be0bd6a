"""A task as plain values, in the order of plan.fields.FIELDS: the source of both forms of an export."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

from amplifier_swarm.v1.operator_service_pb2 import PlannedTask
from amplifier_swarm.v1.task_pb2 import (
    DependencyFailurePolicy,
    DisconnectPolicy,
    RehearsalScript,
    TaskDefinition,
    TaskStatus,
)
from swarmctl import text_format

VERSION: Final = 1
# A task in any other status starts again where it is imported.
KEPT_STATUSES: Final = frozenset(
    {
        TaskStatus.TASK_STATUS_COMPLETED,
        TaskStatus.TASK_STATUS_FAILED,
        TaskStatus.TASK_STATUS_KILLED,
        TaskStatus.TASK_STATUS_SKIPPED,
    }
)
# The nanoseconds of a Duration, exactly.
_NANOSECOND: Final = Decimal("1e-9")


class Id(str):
    """The id of a task: always in quotes, since YAML may read a plain one as a number."""

    __slots__ = ()


# Text, Id, int, float, Decimal (seconds) or bool; a list, or a mapping of such values.
Value: TypeAlias = Any


def task_document(task: PlannedTask) -> Mapping[str, Value]:
    """Returns the fields that are set; the id and the status always are."""
    return dict(_fields(task))


def _fields(task: PlannedTask) -> Iterator[tuple[str, Value]]:
    definition = task.definition
    yield "id", Id(definition.task_id)
    yield from _texts(definition, "name", "phase", "type")
    status = task.status if task.status in KEPT_STATUSES else TaskStatus.TASK_STATUS_NOT_STARTED
    yield "status", text_format.word(TaskStatus, status)
    if definition.HasField("priority"):
        yield "priority", text_format.priority_word(definition.priority)
    if definition.HasField("estimated_hours"):
        yield "estimated_hours", definition.estimated_hours
    yield from _texts(definition, "description")
    yield from _lists(definition, "acceptance_criteria", "files", "design_docs")
    if definition.dependencies:
        yield "dependencies", [Id(task_id) for task_id in definition.dependencies]
    yield from _extensions(definition)


def _extensions(definition: TaskDefinition) -> Iterator[tuple[str, Value]]:
    """Yields the fields that files of the predecessor do not have."""
    if definition.HasField("max_retries"):
        yield "max_retries", definition.max_retries
    if policy := text_format.word(DependencyFailurePolicy, definition.on_dependency_failure):
        yield "on_dependency_failure", policy
    if policy := text_format.word(DisconnectPolicy, definition.on_disconnect):
        yield "on_disconnect", policy
    if definition.HasField("validate"):
        yield "validate", definition.validate
    yield from _texts(definition, "builder_agent", "validator_agent")
    for name in ("builder_timeout", "validator_timeout", "stall_timeout", "check_timeout"):
        if definition.HasField(name):
            yield name, getattr(definition, name).ToNanoseconds() * _NANOSECOND
    if definition.labels:
        yield "labels", dict(sorted(definition.labels.items()))
    yield from _lists(definition, "checks")
    if rehearsal := dict(_rehearsal(definition)):
        yield "rehearsal", rehearsal


def _texts(definition: TaskDefinition, *names: str) -> Iterator[tuple[str, Value]]:
    yield from ((name, text) for name in names if (text := getattr(definition, name)))


def _lists(definition: TaskDefinition, *names: str) -> Iterator[tuple[str, Value]]:
    yield from ((name, list(texts)) for name in names if (texts := getattr(definition, name)))


def _rehearsal(definition: TaskDefinition) -> Iterator[tuple[str, Value]]:
    rehearsal = definition.rehearsal
    roles: Sequence[tuple[str, Sequence[RehearsalScript]]] = (
        ("builder", rehearsal.builder),
        ("validator", rehearsal.validator),
    )
    yield from ((role, [dict(_script(script)) for script in scripts]) for role, scripts in roles if scripts)


def _script(script: RehearsalScript) -> Iterator[tuple[str, Value]]:
    if script.calls:
        yield "calls", [{call.tool: dict(sorted(call.arguments.items()))} for call in script.calls]
    if script.reply:
        yield "reply", script.reply
