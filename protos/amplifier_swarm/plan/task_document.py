"""A task as plain values, in the order of plan.fields.FIELDS: the source of both forms of an export."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

from amplifier_swarm.documents import words
from amplifier_swarm.plan.fields import CHOICES
from amplifier_swarm.plan.limits import limits_document
from amplifier_swarm.v1.operator_service_pb2 import PlannedTask
from amplifier_swarm.v1.task_pb2 import (
    RehearsalScript,
    TaskDefinition,
    TaskStatus,
)
from amplifier_swarm.vocabulary import priority_word

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
    yield "status", words.word(TaskStatus, status)
    if definition.HasField("priority"):
        yield "priority", priority_word(definition.priority)
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
    yield from _choices(definition, "on_dependency_failure", "on_disconnect")
    if definition.HasField("validate"):
        yield "validate", definition.validate
    yield from _texts(definition, "builder_agent", "validator_agent")
    for name in ("builder_timeout", "validator_timeout", "stall_timeout", "check_timeout", "ask_timeout"):
        if definition.HasField(name):
            yield name, getattr(definition, name).ToNanoseconds() * _NANOSECOND
    if definition.labels:
        yield "labels", dict(sorted(definition.labels.items()))
    yield from _lists(definition, "checks")
    yield from _workspace(definition)
    if definition.max_cost:
        yield "max_cost", Decimal(definition.max_cost)
    if definition.HasField("max_tokens"):
        yield "max_tokens", definition.max_tokens
    yield from _choices(definition, "follow_ups")
    if definition.discovered_from:
        yield "discovered_from", Id(definition.discovered_from)
    if rehearsal := dict(_rehearsal(definition)):
        yield "rehearsal", rehearsal


def _workspace(definition: TaskDefinition) -> Iterator[tuple[str, Value]]:
    yield from _choices(definition, "workspace")
    yield from _lists(definition, "setup", "keep")
    if definition.exclusive:
        yield "exclusive", [Id(name) for name in definition.exclusive]
    yield from _lists(definition, "artifacts")
    if definition.HasField("land"):
        yield "land", definition.land
    yield from _choices(definition, "landing")
    yield from _lists(definition, "landing_checks")
    yield from _choices(definition, "changes", "retry_from", "sandbox", "network")
    if limits := dict(limits_document(definition.limits)):
        yield "limits", limits
    yield from _choices(definition, "approve")


def _choices(definition: TaskDefinition, *names: str) -> Iterator[tuple[str, Value]]:
    found = ((name, words.word(CHOICES[name], getattr(definition, name))) for name in names)
    yield from ((name, word) for name, word in found if word)


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
