"""Plans to send: task files, mappings as in a task file, and definitions."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from amplifier_swarm.errors import Violation
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.plan.fault_lines import locate
from amplifier_swarm.plan.faults import Fault, PlanRefused
from amplifier_swarm.plan.read import Plan, plan_of
from amplifier_swarm.plan.source import Source, read_source
from amplifier_swarm.v1.operator_service_pb2 import AddTasksRequest, PlannedTask
from amplifier_swarm_client.convert import fill
from amplifier_swarm_client.errors import Misconfigured
from amplifier_swarm_client.types import TaskDefinition
from amplifier_swarm_client.types.reasons import InvalidTasks

# Small enough for any buffer on the way, large enough that ten thousand tasks are a dozen messages.
MESSAGE_BYTES: Final = 256 * 1024
PlanSource: TypeAlias = str | Path | Mapping[str, Any] | Iterable[TaskDefinition | Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class TaskFileText:
    """The text of a task file, in YAML or JSON; `name` stands for it in messages."""

    text: str
    name: str = "<plan>"


def read(source: PlanSource | TaskFileText) -> tuple[Plan | None, list[PlannedTask]]:
    """Returns the tasks of a source; and its plan, which has the lines of faults, unless it is definitions.

    Raises:
        Misconfigured: The file can't be read.
        InvalidTasks: The tasks have faults, which the error lists by place.
    """
    if isinstance(source, TaskFileText):
        return _parsed(Source(source.name, source.text))
    if isinstance(source, str | Path):
        try:
            return _parsed(read_source(str(source)))
        except PlanRefused:
            raise
        except ProgramExit as error:
            raise Misconfigured(error.message, hint=error.hint) from error
    if isinstance(source, Mapping):
        return _parsed(_written(source))
    tasks = list(source)
    definitions = [task for task in tasks if isinstance(task, TaskDefinition)]
    if not definitions:
        return _parsed(_written({"tasks": tasks}))
    if len(definitions) < len(tasks):
        raise Misconfigured("a plan has definitions or mappings, not both", hint="give one of them")
    return None, [_planned(task) for task in definitions]


def messages(
    tasks: Iterable[PlannedTask], *, plan: Plan | None, clear: bool, dry_run: bool
) -> Iterator[AddTasksRequest]:
    """Yields the messages that carry the tasks, with what the plan says about all of them."""
    request, size = AddTasksRequest(clear=clear, dry_run=dry_run), 0
    if plan is not None:
        request.concurrency.update(plan.concurrency)
    if plan is not None and plan.budget is not None:
        request.budget.CopyFrom(plan.budget)
    for task in tasks:
        weight = task.ByteSize()
        if size and size + weight > MESSAGE_BYTES:
            yield request
            request, size = AddTasksRequest(), 0
        request.tasks.append(task)
        size += weight
    yield request


def located(plan: Plan, violations: Iterable[Violation]) -> list[Fault]:
    """Returns the server's faults by line of the plan."""
    return [locate(plan, violation.place, violation.message) for violation in violations]


def refused(file: str, faults: Iterable[Fault]) -> InvalidTasks:
    """Returns the error for the faults of a plan: each with its place in the file."""
    found = [Violation(f"{file}:{fault.line}", fault.text(file)) for fault in faults]
    return InvalidTasks("; ".join(fault.message for fault in found), reason="INVALID_TASKS", violations=found)


def _parsed(source: Source) -> tuple[Plan, list[PlannedTask]]:
    try:
        plan = plan_of(source)
    except PlanRefused as error:
        raise refused(source.name, error.faults) from error
    return plan, list(plan.tasks)


def _written(plan: Mapping[str, Any]) -> Source:
    try:
        return Source("<plan>", json.dumps(plan, indent=1, ensure_ascii=False))
    except (TypeError, ValueError) as error:
        fault = Fault(0, "", "", f"the plan has a value that a task file can't hold: {error}")
        raise refused("<plan>", [fault]) from error


def _planned(definition: TaskDefinition) -> PlannedTask:
    planned = PlannedTask()
    try:
        fill(planned.definition, definition)
    except (TypeError, ValueError) as error:
        raise refused("<tasks>", [Fault(0, f'task "{definition.task_id}"', "", str(error))]) from error
    return planned
