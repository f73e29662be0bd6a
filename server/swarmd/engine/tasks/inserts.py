"""New tasks, as many as come together: where each begins is counted in memory, and written in few statements.

Its one rule: it counts as the store does (`task_count_unmet`), and leaves what follows from a dead dependency to
the course.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from swarmd.domain.lifecycle import DEAD, TaskStatus, Transition, advance
from swarmd.domain.model import DependencyFailurePolicy, PlannedTask, TaskDefinition, TaskKey
from swarmd.engine.tasks import transitions
from swarmd.store import events, tasks
from swarmd.store.events import EventKind
from swarmd.store.task_records import NewTask
from swarmd.store.transaction import Tx

# An import keeps these; everything else begins anew.
_KEPT = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.KILLED)


@dataclass(frozen=True, slots=True)
class _Place:
    """What is known of each task by its id."""

    keys: Mapping[str, TaskKey]
    statuses: Mapping[str, TaskStatus]


def add(
    tx: Tx,
    fresh: Sequence[PlannedTask],
    stored: Mapping[str, tuple[TaskKey, TaskStatus]],
    *,
    label_set: Callable[[TaskDefinition], int],
) -> Mapping[str, TaskKey]:
    """Stores the tasks, each where it belongs; returns the keys of these and of the stored ones, by id."""
    first = tasks.last_key(tx) + 1
    keys = {task_id: key for task_id, (key, _) in stored.items()}
    statuses = {task_id: status for task_id, (_, status) in stored.items()}
    for key, task in enumerate(fresh, first):
        keys[task.definition.task_id] = TaskKey(key)
        statuses[task.definition.task_id] = task.status if task.status in _KEPT else TaskStatus.BLOCKED
    known = _Place(keys, statuses)
    placed = [_placed(task.definition, known, label_set(task.definition)) for task in fresh]
    tasks.add_all(tx, placed)
    events.append_all(tx, EventKind.TASK_ADDED, [(each.definition.task_id, each.status) for each in placed])
    for each in placed:
        if any(statuses[dependency] in DEAD for dependency in each.definition.dependencies):
            transitions.skip_if_stranded(tx, tasks.get(tx, each.key))
    return keys


def _placed(definition: TaskDefinition, known: _Place, label_set: int) -> NewTask:
    runs_anyway = definition.on_dependency_failure is DependencyFailurePolicy.RUN
    unmet = sum(not _met(known.statuses[name], runs_anyway) for name in definition.dependencies)
    status = known.statuses[definition.task_id]
    if status is TaskStatus.BLOCKED and not unmet:
        status = advance(definition.task_id, status, Transition.UNBLOCK)
    return NewTask(
        key=known.keys[definition.task_id],
        definition=definition,
        status=status,
        ready=status is TaskStatus.NOT_STARTED,
        unmet=unmet,
        label_set_key=label_set,
        dependencies=[known.keys[name] for name in definition.dependencies],
    )


def _met(dependency: TaskStatus, runs_anyway: bool) -> bool:  # noqa: FBT001  # a private word
    return dependency is TaskStatus.COMPLETED or (runs_anyway and dependency in DEAD)
