"""The fields of a task: the conversion from YAML to messages.

Invariant: this module checks shape and kind of a value. The server alone checks the value itself (ranges,
paths, known ids), so that every client gets the same answer.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration

from amplifier_swarm.documents import words
from amplifier_swarm.plan.limits import read_limits
from amplifier_swarm.plan.rehearsal import rehearsal_of
from amplifier_swarm.plan.scalars import Kind, described, kind_of
from amplifier_swarm.plan.values import (
    ValueField,
    boolean_of,
    dollars_of,
    entries_of,
    id_of,
    integer_of,
    number_of,
    text_of,
    texts_of,
    word_of,
)
from amplifier_swarm.v1.budget_pb2 import PlanBudget
from amplifier_swarm.v1.hold_pb2 import ApprovalPoint
from amplifier_swarm.v1.operator_service_pb2 import PlannedTask
from amplifier_swarm.v1.task_pb2 import (
    DependencyFailurePolicy,
    DisconnectPolicy,
    ExpectedChanges,
    FollowUps,
    LandingStyle,
    NetworkAccess,
    RetryFrom,
    SandboxKind,
    TaskStatus,
    WorkspaceKind,
)
from amplifier_swarm.vocabulary import HIGHEST_PRIORITY, LOWEST_PRIORITY, PRIORITIES

# Far beyond the seven days that the server allows, and within the range of a Duration.
_LONGEST_TIMEOUT_S: Final = 10**9
_PRIORITY: Final = f"critical, high, medium, low or an integer from {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}"
_TOKENS: Final = "an integer from 0 to 1000000000000"
_ID: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_INT32_LOW: Final = -(2**31)
_INT32_HIGH: Final = 2**31 - 1
# The fields whose value is one word of an enum of the message.
CHOICES: Final[Mapping[str, Any]] = {
    "on_dependency_failure": DependencyFailurePolicy,
    "on_disconnect": DisconnectPolicy,
    "workspace": WorkspaceKind,
    "landing": LandingStyle,
    "changes": ExpectedChanges,
    "retry_from": RetryFrom,
    "sandbox": SandboxKind,
    "network": NetworkAccess,
    "approve": ApprovalPoint,
    "follow_ups": FollowUps,
}

Setter = Callable[[ValueField, PlannedTask], None]


def _id(field: ValueField, task: PlannedTask) -> None:
    task.definition.task_id = id_of(field) or ""


def _origin(field: ValueField, task: PlannedTask) -> None:
    if kind_of(field.node) is Kind.NULL or (task_id := id_of(field)) is None:
        return
    if not re.fullmatch(_ID, task_id):
        field.fault(f"must be the id of a task, got {described(field.node)}")
    task.definition.discovered_from = task_id


def _text(field: ValueField, task: PlannedTask) -> None:
    setattr(task.definition, field.name, text_of(field) or "")


def _paths(field: ValueField, task: PlannedTask) -> None:
    getattr(task.definition, field.name).extend(texts_of(field, "paths"))


def _dependencies(field: ValueField, task: PlannedTask) -> None:
    task.definition.dependencies.extend(texts_of(field, "task ids", id_of))


def _names(field: ValueField, task: PlannedTask) -> None:
    task.definition.exclusive.extend(texts_of(field, "names", id_of))


def _commands(field: ValueField, task: PlannedTask) -> None:
    getattr(task.definition, field.name).extend(texts_of(field, "commands"))


def _criteria(field: ValueField, task: PlannedTask) -> None:
    if kind_of(field.node) in (Kind.LIST, Kind.MAPPING):
        task.definition.acceptance_criteria.extend(texts_of(field, "texts"))
    elif text := text_of(field):
        task.definition.acceptance_criteria.append(text)


def _status(field: ValueField, task: PlannedTask) -> None:
    if word := word_of(field, words.words_of(TaskStatus)):
        task.status = words.value_of(TaskStatus, word)


def _choice(field: ValueField, task: PlannedTask) -> None:
    choices = CHOICES[field.name]
    if word := word_of(field, words.words_of(choices)):
        setattr(task.definition, field.name, words.value_of(choices, word))


def _priority(field: ValueField, task: PlannedTask) -> None:
    word = text_of(field) if kind_of(field.node) is Kind.TEXT else None
    value = PRIORITIES.get(word.lower()) if word else None
    if value is None:
        value = integer_of(field, _PRIORITY, low=LOWEST_PRIORITY, high=HIGHEST_PRIORITY)
    if value is not None:
        task.definition.priority = value


def _retries(field: ValueField, task: PlannedTask) -> None:
    value = integer_of(field, "an integer from 0 to 100", low=_INT32_LOW, high=_INT32_HIGH)
    if value is not None:
        task.definition.max_retries = value


def _hours(field: ValueField, task: PlannedTask) -> None:
    value = number_of(field, "a number of hours")
    if value is not None:
        task.definition.estimated_hours = value


def _dollars(field: ValueField, task: PlannedTask) -> None:
    task.definition.max_cost = dollars_of(field) or ""


def _tokens(field: ValueField, task: PlannedTask) -> None:
    value = integer_of(field, _TOKENS, low=0, high=10**12)
    if value is not None:
        task.definition.max_tokens = value


def _flag(field: ValueField, task: PlannedTask) -> None:
    value = boolean_of(field)
    if value is not None:
        setattr(task.definition, field.name, value)


def _timeout(field: ValueField, task: PlannedTask) -> None:
    value_s = number_of(field, "a number of seconds")
    if value_s is None:
        return
    if abs(value_s) > _LONGEST_TIMEOUT_S:
        field.fault(f"must be a number of seconds up to 7 days, got {described(field.node)}")
        return
    duration: Duration = getattr(task.definition, field.name)
    duration.FromNanoseconds(round(value_s * 1e9))
    # Zero must be sent as a value, so that the server can refuse it.
    duration.SetInParent()


def _labels(field: ValueField, task: PlannedTask) -> None:
    for name, entry in entries_of(field, "a mapping of names to texts"):
        text = text_of(entry)
        task.definition.labels[name] = text or ""


def _rehearsal(field: ValueField, task: PlannedTask) -> None:
    rehearsal = rehearsal_of(field)
    if rehearsal is not None:
        task.definition.rehearsal.CopyFrom(rehearsal)


# The order is that of exported files.
FIELDS: Final[Mapping[str, Setter]] = {
    "id": _id,
    "name": _text,
    "phase": _text,
    "type": _text,
    "status": _status,
    "priority": _priority,
    "estimated_hours": _hours,
    "description": _text,
    "acceptance_criteria": _criteria,
    "files": _paths,
    "design_docs": _paths,
    "dependencies": _dependencies,
    "max_retries": _retries,
    "on_dependency_failure": _choice,
    "on_disconnect": _choice,
    "validate": _flag,
    "builder_agent": _text,
    "validator_agent": _text,
    "builder_timeout": _timeout,
    "validator_timeout": _timeout,
    "stall_timeout": _timeout,
    "check_timeout": _timeout,
    "ask_timeout": _timeout,
    "labels": _labels,
    "checks": _commands,
    "workspace": _choice,
    "setup": _commands,
    "keep": _paths,
    "exclusive": _names,
    "artifacts": _paths,
    "land": _flag,
    "landing": _choice,
    "landing_checks": _commands,
    "changes": _choice,
    "retry_from": _choice,
    "sandbox": _choice,
    "network": _choice,
    "limits": read_limits,
    "approve": _choice,
    "max_cost": _dollars,
    "max_tokens": _tokens,
    "follow_ups": _choice,
    "discovered_from": _origin,
    "rehearsal": _rehearsal,
}


# The shape of the values that a reader takes, where several fields have it.
SHAPES: Final[Mapping[Setter, str]] = {
    _text: "text",
    _paths: "texts",
    _commands: "texts",
    _dependencies: "ids",
    _names: "ids",
    _flag: "flag",
}


# Fields that the top of a file may hold too, for all its tasks: they belong to the project more than to a task.
FIELDS_OF_TOP: Final = (
    "workspace",
    "setup",
    "keep",
    "land",
    "landing",
    "landing_checks",
    "sandbox",
    "network",
    "limits",
    "follow_ups",
)


def concurrency_of(field: ValueField) -> dict[str, int]:
    """Returns how many tasks may share each exclusive name."""
    what = "a number of tasks from 1 to 1024"
    found = {
        name: integer_of(entry, what, low=_INT32_LOW, high=_INT32_HIGH)
        for name, entry in entries_of(field, "a mapping of names to numbers of tasks")
    }
    return {name: capacity for name, capacity in found.items() if capacity is not None}


def budget_of(field: ValueField) -> PlanBudget | None:
    """Returns what all tasks of the file may cost together: dollars, or a mapping of caps and the plan's name."""
    if kind_of(field.node) is Kind.NULL:
        return None
    if kind_of(field.node) is not Kind.MAPPING:
        return PlanBudget(max_cost=dollars_of(field) or "")
    budget = PlanBudget()
    for name, entry in entries_of(field, "dollars, or a mapping of max_cost, max_tokens and name"):
        if name == "max_cost":
            budget.max_cost = dollars_of(entry) or ""
        elif name == "max_tokens":
            if (tokens := integer_of(entry, _TOKENS, low=0, high=10**12)) is not None:
                budget.max_tokens = tokens
        elif name == "name":
            budget.name = id_of(entry) or ""
        else:
            entry.fault("unknown field; a budget has max_cost, max_tokens and name")
    return budget


def clear(task: PlannedTask, name: str) -> None:
    """Removes the value that a default has set."""
    if name == "status":
        task.ClearField("status")
    elif name != "id":
        task.definition.ClearField(name)  # type: ignore[arg-type]  # FIELDS holds the names of the message
