"""Warnings about an import: what is stored and has no effect, or not the one that its author may expect."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from swarmd.domain.definition import PlannedTask
from swarmd.domain.errors import FieldFault
from swarmd.domain.lifecycle import DEAD, TaskStatus
from swarmd.domain.model import DependencyFailurePolicy, TaskId, TaskKey
from swarmd.domain.placement import must_land
from swarmd.domain.plan import MAX_FAULTS, named_ids
from swarmd.store import tasks
from swarmd.store.reads import views
from swarmd.store.transaction import Tx

# The effect of a new definition on a task that has ended.
_EFFECTS: Final = {
    TaskStatus.COMPLETED: "but it stays completed and does not run again; give the changed work an id of its own",
    TaskStatus.FAILED: "but it stays failed; `swarmctl retry` runs it by the new definition",
    TaskStatus.KILLED: "but it stays killed; `swarmctl retry` runs it by the new definition",
}


def turned_to_land(
    tx: Tx, changed: Sequence[PlannedTask], stored: Mapping[str, tuple[TaskKey, TaskStatus]]
) -> Collection[TaskId]:
    """Returns the completed tasks that say `land: false` no more."""
    return {
        definition.task_id
        for definition in (task.definition for task in changed)
        if stored[definition.task_id][1] is TaskStatus.COMPLETED
        and must_land(definition)
        and not must_land(views.definition(tx, stored[definition.task_id][0]))
    }


def of_ended(
    tx: Tx, plan: Sequence[PlannedTask], changed: Collection[TaskId], landable: Collection[TaskId]
) -> list[FieldFault]:
    """Returns a warning for each ended task whose definition changed: the change runs nothing."""
    warnings: list[FieldFault] = []
    stored = tasks.states_ignoring_case(tx, changed)
    for index, task in enumerate(plan):
        task_id = task.definition.task_id
        effect = _EFFECTS.get(stored[task_id][1]) if task_id in changed else None
        if effect is not None:
            if task_id in landable:
                effect = f"but its work stays where it is; `swarmctl land {task_id}` lands it"
            message = f'"{task_id}" is {stored[task_id][1]}: its new definition is stored, {effect}'
            warnings.append(FieldFault(f"tasks[{index}]", message))
    rest = len(warnings) - MAX_FAULTS
    if rest > 0:
        last = FieldFault(
            "tasks", f"{rest} more ended tasks have a new definition, and none of them runs by it yet"
        )
        return [*warnings[:MAX_FAULTS], last]
    return warnings


def of_skipped(tx: Tx, plan: Sequence[PlannedTask]) -> list[FieldFault]:
    """Returns a warning for each task that is skipped, since its cause may lie outside the file."""
    statuses = {
        task_id: status for task_id, (_, status) in tasks.states_ignoring_case(tx, named_ids(plan)).items()
    }
    warnings: list[FieldFault] = []
    if DEAD.isdisjoint(statuses.values()):
        return warnings
    for index, task in enumerate(plan):
        policy = task.definition.on_dependency_failure or DependencyFailurePolicy.SKIP
        if (
            policy is DependencyFailurePolicy.RUN
            or statuses[task.definition.task_id] is not TaskStatus.SKIPPED
        ):
            continue
        for number, dependency in enumerate(task.definition.dependencies):
            if statuses[dependency] in DEAD:
                message = f'depends on "{dependency}", which is {statuses[dependency]}, so it is skipped'
                warnings.append(FieldFault(f"tasks[{index}].dependencies[{number}]", message))
    return warnings
