"""Imports of plans and changes of dependencies. Each public function is one write, all or nothing."""

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NoReturn

from swarmd.domain.definition import PlannedTask, TaskDefinition
from swarmd.domain.errors import FieldFault, InvalidStatus, InvalidTasks, TasksActive
from swarmd.domain.exclusive import NO_NUMBERS
from swarmd.domain.graph import shortest_path
from swarmd.domain.landing import JUDGING
from swarmd.domain.lifecycle import LEASED, TaskStatus
from swarmd.domain.model import TaskId, TaskKey
from swarmd.domain.placement import demands
from swarmd.domain.plan import CheckedPlan, check_plan, drawn_cycle, named_ids
from swarmd.domain.shared_budget import PlannedBudget
from swarmd.engine.tasks import inserts, lookup, plan_warnings, shared_budgets, transitions
from swarmd.engine.tasks.demanding import set_demands
from swarmd.engine.tasks.landing_orders import work_to_land
from swarmd.store import definition_json, events, exclusive_names, landings, swarm, tasks
from swarmd.store.events import EventKind
from swarmd.store.reads import views
from swarmd.store.transaction import ReadTx, Tx

_NOT_STARTED = (TaskStatus.BLOCKED, TaskStatus.NOT_STARTED)
# After more events than this since a check, the check is made again.
_FEW_EVENTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The counts and warnings of an import, or of its dry run."""

    added: int
    changed: int
    unchanged: int
    removed: int
    warnings: Sequence[FieldFault]


class DryRunDone(Exception):
    """Raised to undo the write of a dry run."""

    def __init__(self, result: ImportResult) -> None:
        super().__init__()
        self.result = result


def try_out(
    tx: Tx,
    plan: Sequence[PlannedTask],
    *,
    clear: bool,
    concurrency: Mapping[str, int] = NO_NUMBERS,
    budget: PlannedBudget | None = None,
) -> NoReturn:
    """Does everything that `add` does, and then raises DryRunDone, so that nothing is stored."""
    raise DryRunDone(add(tx, plan, clear=clear, concurrency=concurrency, budget=budget))


def add(
    tx: Tx,
    plan: Sequence[PlannedTask],
    *,
    clear: bool,
    concurrency: Mapping[str, int] = NO_NUMBERS,
    budget: PlannedBudget | None = None,
) -> ImportResult:
    """Adds new tasks and changes existing ones, all or none; sets how many tasks may share exclusive names.

    With a `budget`, all tasks of the plan share it from now on, with what they have spent before. The cost grows with
    the plan, not with the number of stored tasks, unless it changes stored tasks: a cycle may lead through any.

    Raises:
        InvalidTasks: the plan has faults. InvalidRequest: nobody can mean such a budget.
        TasksActive: a task that is held by a worker would change or be removed.
    """
    removed = _clear(tx) if clear else 0
    stored = tasks.states_ignoring_case(tx, named_ids(plan))
    checked = _checked(tx, plan, stored, concurrency)
    exclusive_names.set_capacities(tx, concurrency)
    fresh = [task for task in checked.tasks if task.definition.task_id not in stored]
    changed = [task for task in checked.tasks if task.definition.task_id in stored and _differs(tx, task)]
    _refuse_held(stored, changed)
    landable = plan_warnings.turned_to_land(tx, changed, stored)
    label_sets: dict[tuple[tuple[str, str], ...], int] = {}
    keys = inserts.add(tx, fresh, stored, label_set=partial(_label_set, tx, label_sets))
    for task in changed:
        _redefine(tx, task.definition, keys, label_sets)
    _reclassify_all(tx, [keys[task.definition.task_id] for task in changed], EventKind.TASK_CHANGED)
    if budget is not None:
        shared_budgets.set_plan(tx, budget, [task.definition.task_id for task in checked.tasks])
    warnings = [
        *checked.warnings,
        *plan_warnings.of_skipped(tx, checked.tasks),
        *plan_warnings.of_ended(tx, plan, {task.definition.task_id for task in changed}, landable),
    ]
    same = len(plan) - len(fresh) - len(changed)
    return ImportResult(len(fresh), len(changed), same, removed, warnings)


def _redefine(
    tx: Tx,
    definition: TaskDefinition,
    keys: Mapping[str, TaskKey],
    label_sets: dict[tuple[tuple[str, str], ...], int],
) -> None:
    """Replaces the definition and the dependencies of a stored task; an order to land its work stays in force."""
    key = keys[definition.task_id]
    task = tasks.get(tx, key)
    work = work_to_land(tx, task)
    demanded = _label_set(tx, label_sets, definition, work_in="" if work is None else work.repository)
    tasks.redefine(tx, key, definition, label_set_key=demanded)
    if task.starts_at in JUDGING and (left := landings.left_work(tx, key, number=task.work_of)) is not None:
        set_demands(tx, key, work_in=left.work.repository, starts_at=task.starts_at)
    tasks.set_dependencies(tx, key, [keys[dependency] for dependency in definition.dependencies])


class GraphChanged(Exception):
    """The dependencies have changed since they were checked."""


def check_dependency(tx: ReadTx, task_id: str, dependency: str) -> int:
    """Checks that a new dependency closes no cycle; returns the last event that the check has seen.

    The cost is linear in all stored dependencies, so it runs on a reader.

    Raises:
        InvalidTasks: the dependency closes a cycle; the fault shows a shortest one.
    """
    task, other = lookup.resolve(tx, task_id), lookup.resolve(tx, dependency)
    if task.status in _NOT_STARTED:
        _refuse_cycle(tx, task.task_id, other.task_id)
    return events.last_seq(tx)


def change_dependency(
    tx: Tx, task_id: str, dependency: str, *, remove: bool, checked_seq: int | None = None
) -> TaskId:
    """Adds or removes one dependency of a task that has not started.

    `checked_seq` is the result of `check_dependency`; without it, a new dependency is checked here.

    Raises:
        GraphChanged: the dependencies have changed since `checked_seq`; check again.
    """
    task, other = lookup.resolve(tx, task_id), lookup.resolve(tx, dependency)
    definition = views.definition(tx, task.key)
    if (other.task_id in definition.dependencies) is not remove:
        return task.task_id
    if task.status not in _NOT_STARTED:
        raise InvalidStatus(task.task_id, task.status, doing="change what is needed by")
    if remove:
        wanted = tuple(name for name in definition.dependencies if name != other.task_id)
    else:
        wanted = (*definition.dependencies, other.task_id)
        if checked_seq is None:
            _refuse_cycle(tx, task.task_id, other.task_id)
        elif _graph_changed(tx, checked_seq):
            raise GraphChanged
    definition = replace(definition, dependencies=wanted)
    tasks.set_definition(tx, task.key, definition)
    keys = tasks.states_ignoring_case(tx, wanted)
    tasks.set_dependencies(tx, task.key, [keys[name][0] for name in wanted])
    _reclassify_all(tx, [task.key], EventKind.TASK_CHANGED)
    return task.task_id


def _clear(tx: Tx) -> int:
    held = tasks.first_held(tx)
    if held is not None:
        task_id, status, count = held
        raise TasksActive(task_id, status, count, doing="clear the tasks")
    removed = tasks.clear(tx)
    # A later task of the same id is another task: its leases and sessions must not look like the old ones.
    swarm.next_epoch(tx)
    events.append(tx, EventKind.TASKS_CLEARED, cause=f"{removed} tasks")
    return removed


def _checked(
    tx: Tx,
    plan: Sequence[PlannedTask],
    stored: Mapping[str, tuple[TaskKey, TaskStatus]],
    concurrency: Mapping[str, int],
) -> CheckedPlan:
    """Returns the checked plan; reads all stored edges only if a cycle may lead through them."""
    plan_ids = {task.definition.task_id for task in plan}
    if plan_ids.isdisjoint(stored):
        # No stored task depends on a task of this plan, so no cycle leads through stored tasks.
        with contextlib.suppress(InvalidTasks):  # checked again below with all ids, for the hints
            return check_plan(plan, dict.fromkeys(stored, ()), concurrency=concurrency)
    return check_plan(plan, _known_edges(tx, plan_ids), concurrency=concurrency)


def _known_edges(tx: Tx, plan_ids: set[TaskId]) -> Mapping[str, Sequence[str]]:
    """Returns the edges of the stored tasks outside the plan; they matter only if it changes stored tasks."""
    stored = tasks.states(tx)
    outside: dict[str, list[str]] = {task_id: [] for task_id in stored if task_id not in plan_ids}
    if len(outside) < len(stored):
        for task_id, dependency in tasks.edges(tx):
            if task_id in outside:
                outside[task_id].append(dependency)
    return outside


def _differs(tx: Tx, task: PlannedTask) -> bool:
    return tasks.definition_text(tx, task.definition.task_id) != definition_json.encode(task.definition)


def _refuse_held(stored: Mapping[str, tuple[TaskKey, TaskStatus]], changed: Sequence[PlannedTask]) -> None:
    held = [task.definition.task_id for task in changed if stored[task.definition.task_id][1] in LEASED]
    if held:
        raise TasksActive(held[0], stored[held[0]][1], len(held), doing="change running tasks")


def _label_set(
    tx: Tx,
    seen: dict[tuple[tuple[str, str], ...], int],
    definition: TaskDefinition,
    *,
    work_in: str = "",
) -> int:
    demanded = demands(definition, work_in=work_in)
    wanted = tuple(sorted(demanded.items()))
    if wanted not in seen:
        seen[wanted] = swarm.label_set_key(tx, demanded)
    return seen[wanted]


def _reclassify_all(tx: Tx, keys: Sequence[TaskKey], kind: EventKind) -> None:
    """Derives the status of each task from its dependencies, and records the change."""
    for key in keys:
        transitions.reclassify(tx, tasks.get(tx, key), kind)
    for key in keys:
        transitions.revive_if_possible(tx, transitions.skip_if_stranded(tx, tasks.get(tx, key)))


def _refuse_cycle(tx: ReadTx, task_id: str, dependency: str) -> None:
    """Refuses a dependency that leads back to the task; the stored graph has no cycle, so each new one does."""
    edges: defaultdict[str, list[str]] = defaultdict(list)
    for source, target in tasks.edges(tx):
        edges[source].append(target)
    path = shortest_path(edges, dependency, task_id)
    if path:
        raise InvalidTasks([FieldFault("dependency", f"dependency cycle: {drawn_cycle([task_id, *path])}")])


def _graph_changed(tx: ReadTx, since_seq: int) -> bool:
    later = events.after(tx, since_seq, limit=_FEW_EVENTS)
    return len(later) == _FEW_EVENTS or any(event.kind in events.CHANGES_GRAPH for event in later)
