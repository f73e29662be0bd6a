"""Insertion of new tasks in bulk: their first status is computed in memory and written in few statements.

Invariant: unmet dependencies are counted as the store counts them (`task_count_unmet`). Skips that follow from a
dead dependency are left to `transitions`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.definition import PlannedTask, TaskDefinition
from swarmd.domain.lifecycle import DEAD, TaskStatus, Transition, advance
from swarmd.domain.model import DependencyFailurePolicy, TaskKey
from swarmd.engine.tasks import transitions
from swarmd.store import events, tasks
from swarmd.store.events import EventKind
from swarmd.store.task_records import NewTask
from swarmd.store.transaction import Tx

# An import keeps these statuses; a task with any other one starts from the beginning.
_KEPT = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.KILLED)


@dataclass(frozen=True, slots=True)
class _KnownTasks:
    """The keys and statuses of tasks by id."""

    keys: Mapping[str, TaskKey]
    statuses: Mapping[str, TaskStatus]


def add(
    tx: Tx,
    fresh: Sequence[PlannedTask],
    stored: Mapping[str, tuple[TaskKey, TaskStatus]],
    *,
    label_set: Callable[[TaskDefinition], int],
) -> Mapping[str, TaskKey]:
    """Stores the tasks with their first status; returns the keys of these and of the stored tasks, by id."""
    first = tasks.last_key(tx) + 1
    keys = {task_id: key for task_id, (key, _) in stored.items()}
    statuses = {task_id: status for task_id, (_, status) in stored.items()}
    for key, task in enumerate(fresh, first):
        keys[task.definition.task_id] = TaskKey(key)
        statuses[task.definition.task_id] = task.status if task.status in _KEPT else TaskStatus.BLOCKED
    known = _KnownTasks(keys, statuses)
    new_tasks = [_fresh_task(task.definition, known, label_set(task.definition)) for task in fresh]
    tasks.add_all(tx, new_tasks)
    events.append_all(
        tx, EventKind.TASK_ADDED, [(task.definition.task_id, task.status) for task in new_tasks]
    )
    transitions.hold_new(tx, [new for new in new_tasks if new.status is TaskStatus.HELD])
    for new in new_tasks:
        if any(statuses[dependency] in DEAD for dependency in new.definition.dependencies):
            transitions.skip_if_stranded(tx, tasks.get(tx, new.key))
    return keys


def _fresh_task(definition: TaskDefinition, known: _KnownTasks, label_set: int) -> NewTask:
    runs_anyway = definition.on_dependency_failure is DependencyFailurePolicy.RUN
    unmet = sum(not _met(known.statuses[name], runs_anyway) for name in definition.dependencies)
    status = known.statuses[definition.task_id]
    if status is TaskStatus.BLOCKED and not unmet:
        status = advance(definition.task_id, status, Transition.UNBLOCK)
        if definition.approve is ApprovalPoint.BEFORE_START:
            status = advance(definition.task_id, status, Transition.HOLD)
    return NewTask(
        key=known.keys[definition.task_id],
        definition=definition,
        status=status,
        ready=status is TaskStatus.NOT_STARTED,
        unmet=unmet,
        label_set_key=label_set,
        dependencies=[known.keys[name] for name in definition.dependencies],
    )


def _met(dependency: TaskStatus, runs_anyway: bool) -> bool:  # noqa: FBT001  # private
    return dependency is TaskStatus.COMPLETED or (runs_anyway and dependency in DEAD)
