"""The graph of a plan by the numbers of its tasks: what each waits for, and what can't start at all."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from amplifier_swarm.plan.faults import Fault, PlanRefused
from amplifier_swarm.plan.read import Plan, task_label
from amplifier_swarm.v1.task_pb2 import DependencyFailurePolicy, Task, TaskStatus

_DEAD: Final = frozenset(
    {
        TaskStatus.TASK_STATUS_FAILED,
        TaskStatus.TASK_STATUS_KILLING,
        TaskStatus.TASK_STATUS_KILLED,
        TaskStatus.TASK_STATUS_SKIPPED,
    }
)
_ENDED: Final = _DEAD | {TaskStatus.TASK_STATUS_COMPLETED}
# The names of a longer cycle would fill the screen.
_DRAWN: Final = 10


@dataclass(frozen=True, slots=True)
class PlanGraph:
    """The tasks that are left to do, by their number in the file."""

    # For each task the numbers of those that it waits for and that are to be done.
    dependencies: Sequence[Sequence[int]]
    # The numbers of the tasks that will run, each after those that it waits for.
    order: Sequence[int]
    # The ids of tasks that can't start, since what they depend on has failed, was killed or is skipped.
    stranded: Sequence[str]
    # A task and an id that neither the file nor the server has.
    unresolved: Sequence[tuple[str, str]]
    edges: int


def graph_of(plan: Plan, known: Mapping[str, Task]) -> PlanGraph:
    """Returns the graph; `known` are the tasks of the server by id, whose statuses count.

    Raises:
        PlanRefused: The dependencies have a cycle.
    """
    numbers = {task.definition.task_id: i for i, task in enumerate(plan.tasks)}
    wanted, unresolved = _resolved(plan, numbers, known)
    order = _ordered(wanted)
    if len(order) < len(wanted):
        raise _cycle(plan, wanted, set(order))
    dead: set[int] = set()
    done: set[int] = set()
    stranded: list[str] = []
    for i in order:
        definition = plan.tasks[i].definition
        status = _status(plan, i, known)
        if status in _ENDED:
            (dead if status in _DEAD else done).add(i)
        elif definition.on_dependency_failure != DependencyFailurePolicy.DEPENDENCY_FAILURE_POLICY_RUN and (
            any(d in dead for d in wanted[i]) or _waits_for_dead(definition.dependencies, numbers, known)
        ):
            dead.add(i)
            stranded.append(definition.task_id)
    ended = dead | done
    return PlanGraph(
        dependencies=[[d for d in of_task if d not in ended] for of_task in wanted],
        order=[i for i in order if i not in ended],
        stranded=stranded,
        unresolved=unresolved,
        edges=sum(len(of_task) for of_task in wanted),
    )


def _status(plan: Plan, number: int, known: Mapping[str, Task]) -> TaskStatus.ValueType:
    """Returns the status that the task has after an import; a skipped one is derived from its dependencies."""
    task = plan.tasks[number]
    stored = known.get(task.definition.task_id)
    status = task.status if stored is None else stored.status
    unsettled = (TaskStatus.TASK_STATUS_SKIPPED,)
    return TaskStatus.TASK_STATUS_NOT_STARTED if status in unsettled else status


def _waits_for_dead(names: Sequence[str], numbers: Mapping[str, int], known: Mapping[str, Task]) -> bool:
    return any(
        name not in numbers and (stored := known.get(name)) is not None and stored.status in _DEAD
        for name in names
    )


def _resolved(
    plan: Plan, numbers: Mapping[str, int], known: Mapping[str, Task]
) -> tuple[list[list[int]], list[tuple[str, str]]]:
    wanted: list[list[int]] = []
    unresolved: list[tuple[str, str]] = []
    for task in plan.tasks:
        names = dict.fromkeys(task.definition.dependencies)
        wanted.append([numbers[name] for name in names if name in numbers])
        unresolved += [
            (task.definition.task_id, name) for name in names if name not in numbers and name not in known
        ]
    return wanted, unresolved


def _ordered(wanted: Sequence[Sequence[int]]) -> list[int]:
    """Returns the numbers of the tasks that are on no cycle and behind none, in an order of the dependencies."""
    dependents: list[list[int]] = [[] for _ in wanted]
    open_count = [len(of_task) for of_task in wanted]
    for i, of_task in enumerate(wanted):
        for dependency in of_task:
            dependents[dependency].append(i)
    ready = deque(i for i, count in enumerate(open_count) if not count)
    order: list[int] = []
    while ready:
        i = ready.popleft()
        order.append(i)
        for dependent in dependents[i]:
            open_count[dependent] -= 1
            if not open_count[dependent]:
                ready.append(dependent)
    return order


def _cycle(plan: Plan, wanted: Sequence[Sequence[int]], ordered: set[int]) -> PlanRefused:
    """Returns the refusal with a cycle: each task that has no order has a dependency that has none either."""
    walked: dict[int, int] = {}
    at = next(i for i in range(len(wanted)) if i not in ordered)
    while at not in walked:
        walked[at] = len(walked)
        at = next(d for d in wanted[at] if d not in ordered)
    cycle = [*list(walked)[walked[at] :], at]
    names = [plan.tasks[i].definition.task_id for i in cycle]
    if len(names) > _DRAWN + 1:
        names[_DRAWN - 1 : -1] = [f"… {len(names) - _DRAWN} more …"]
    node = plan.entries[at]
    entry = node.entries.get("dependencies") or plan.defaults.entries.get("dependencies")
    problem = f"dependency cycle: {' -> '.join(names)}; remove one of these dependencies"
    fault = Fault(node.line if entry is None else entry.line, task_label(node, at), "dependencies", problem)
    return PlanRefused(plan.file, [fault])
