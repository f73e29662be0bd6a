"""The check of a whole plan: every rule that a proto can't express."""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from swarmd.domain.definition import PlannedTask, TaskDefinition
from swarmd.domain.errors import FieldFault, InvalidTasks
from swarmd.domain.exclusive import NO_NUMBERS, concurrency_faults, unused_names
from swarmd.domain.fields import field_faults, field_warnings
from swarmd.domain.graph import shortest_cycle
from swarmd.domain.model import ID_PATTERN
from swarmd.domain.sizes import definition_chars

# A person reads no more at once; the error has the full count.
MAX_FAULTS: Final = 20
# The client shows 20 warnings and counts the rest.
MAX_WARNINGS: Final = 100
# A task must fit into one message to a worker, in any language.
MAX_TASK_CHARS: Final = 2 * 1024 * 1024
# A spelling hint does not justify a comparison with a hundred thousand names.
MAX_COMPARED: Final = 20_000


@dataclass(frozen=True, slots=True)
class CheckedPlan:
    """A plan without faults and without repeated dependencies and names, and its warnings."""

    tasks: Sequence[PlannedTask]
    warnings: Sequence[FieldFault]


def check_plan(
    plan: Sequence[PlannedTask],
    known: Mapping[str, Sequence[str]],
    *,
    concurrency: Mapping[str, int] = NO_NUMBERS,
) -> CheckedPlan:
    """Checks a plan as a whole.

    `known` maps stored tasks to their dependencies: all that could be on a cycle with the plan. `concurrency` maps
    exclusive names to the number of tasks that may share them.

    Raises:
        InvalidTasks: The plan has faults; the error lists up to 20 of them.
    """
    faults: list[FieldFault] = []
    warnings: list[FieldFault] = []
    ids = {task.definition.task_id for task in plan}
    faults += concurrency_faults(concurrency)
    faults += _id_faults(plan, known)
    for index, task in enumerate(plan):
        faults += field_faults(f"tasks[{index}]", task)
        if (chars := definition_chars(task.definition)) > MAX_TASK_CHARS:
            faults.append(
                FieldFault(f"tasks[{index}]", f"has {chars:,} characters of text; at most {MAX_TASK_CHARS:,}")
            )
        faults += _dependency_faults(index, task.definition, ids, known)
        warnings += _repeated(index, task.definition)
        if len(warnings) < MAX_WARNINGS:
            warnings += field_warnings(f"tasks[{index}]", task)
    warnings += unused_names(concurrency, {name for task in plan for name in task.definition.exclusive})
    tasks = [_without_repeats(task) for task in plan]
    if not faults:
        faults += _cycle_faults(tasks, known)
    if faults:
        raise InvalidTasks(faults[:MAX_FAULTS], total=len(faults))
    return CheckedPlan(tasks, warnings)


def named_ids(plan: Sequence[PlannedTask]) -> Iterator[str]:
    """Yields every task id that the plan names."""
    for task in plan:
        yield task.definition.task_id
        yield from task.definition.dependencies


def _id_faults(plan: Sequence[PlannedTask], known: Collection[str]) -> Iterator[FieldFault]:
    first_at: dict[str, int] = {}
    folded: dict[str, str] = {task_id.casefold(): task_id for task_id in known}
    for index, task in enumerate(plan):
        task_id, place = task.definition.task_id, f"tasks[{index}].task_id"
        if not task_id:
            yield FieldFault(place, 'id is required; add for example id: "task-1"')
        elif not ID_PATTERN.fullmatch(task_id):
            yield FieldFault(
                place,
                "id may contain only letters, digits, . _ - (max 128), starting with a letter or digit",
            )
        elif task_id in first_at:
            yield FieldFault(place, f'duplicate task id "{task_id}"; first at tasks[{first_at[task_id]}]')
        elif (other := folded.setdefault(task_id.casefold(), task_id)) != task_id:
            yield FieldFault(place, f'id "{task_id}" collides with "{other}"; they differ only in case')
        first_at.setdefault(task_id, index)


def _dependency_faults(
    index: int, definition: TaskDefinition, ids: Collection[str], known: Collection[str]
) -> Iterator[FieldFault]:
    for number, dependency in enumerate(definition.dependencies):
        place = f"tasks[{index}].dependencies[{number}]"
        if dependency == definition.task_id:
            yield FieldFault(
                place, f"dependency cycle: {dependency} -> {dependency}; a task can't wait for itself"
            )
        elif dependency not in ids and dependency not in known:
            yield FieldFault(
                place, f'depends on unknown task "{dependency}"{_did_you_mean(dependency, ids, known)}'
            )


def _did_you_mean(name: str, ids: Collection[str], known: Collection[str]) -> str:
    if len(ids) + len(known) > MAX_COMPARED:
        return "; add it to the file or correct the name"
    close = difflib.get_close_matches(name, [*ids, *known], n=1)
    return f'; did you mean "{close[0]}"?' if close else "; add it to the file or correct the name"


def _repeated(index: int, definition: TaskDefinition) -> Iterator[FieldFault]:
    for field, names in (("dependencies", definition.dependencies), ("exclusive", definition.exclusive)):
        seen: set[str] = set()
        for number, name in enumerate(names):
            if name in seen:
                yield FieldFault(f"tasks[{index}].{field}[{number}]", f'"{name}" is named twice')
            seen.add(name)


def _without_repeats(task: PlannedTask) -> PlannedTask:
    definition = task.definition
    wanted, names = tuple(dict.fromkeys(definition.dependencies)), tuple(dict.fromkeys(definition.exclusive))
    if len(wanted) == len(definition.dependencies) and len(names) == len(definition.exclusive):
        return task
    return replace(task, definition=replace(definition, dependencies=wanted, exclusive=names))


def _cycle_faults(tasks: Sequence[PlannedTask], known: Mapping[str, Sequence[str]]) -> Iterator[FieldFault]:
    edges: dict[str, Sequence[str]] = dict(known)
    places: dict[str, int] = {}
    for index, task in enumerate(tasks):
        edges[task.definition.task_id] = task.definition.dependencies
        places[task.definition.task_id] = index
    cycle = shortest_cycle(edges)
    if cycle:
        start = next((task_id for task_id in cycle if task_id in places), cycle[0])
        place = f"tasks[{places[start]}].dependencies" if start in places else "dependencies"
        yield FieldFault(place, f"dependency cycle: {drawn_cycle(cycle)}; remove one of these dependencies")


def drawn_cycle(cycle: Sequence[str]) -> str:
    """Returns the cycle as text with at most ten names."""
    if len(cycle) <= 11:
        return " -> ".join(cycle)
    return " -> ".join([*cycle[:9], f"… {len(cycle) - 10} more …", cycle[-1]])
