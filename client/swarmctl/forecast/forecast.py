"""The forecast of a plan: its longest chain, its width, its time on some numbers of slots, its cost, its faults."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from amplifier_swarm.plan.read import Plan
from amplifier_swarm.v1.task_pb2 import Task, TaskDefinition, TaskStatus, WorkspaceKind
from amplifier_swarm.vocabulary import PRIORITIES
from swarmctl.forecast.check_starts import UnstartableCheck, unstartable_checks
from swarmctl.forecast.graph import PlanGraph, graph_of
from swarmctl.forecast.history import (
    Basis,
    Estimated,
    History,
    Spread,
    cost_of,
    estimated_hours,
    seconds_of,
    total,
)
from swarmctl.forecast.overlaps import FileOverlaps, overlaps
from swarmctl.forecast.timetable import PlannedWork, critical_path, timetable

SLOTS: Final = (1, 2, 4, 8, 16)
# The dispatcher's own default.
DEFAULT_PRIORITY: Final = PRIORITIES["medium"]
HOUR_S: Final = 3600.0
_ENDED: Final = (
    TaskStatus.TASK_STATUS_COMPLETED,
    TaskStatus.TASK_STATUS_FAILED,
    TaskStatus.TASK_STATUS_KILLED,
    TaskStatus.TASK_STATUS_SKIPPED,
)
BY_ESTIMATE: Final = "their estimated_hours as they stand"
BY_RATE: Final = "their estimated_hours and --rate"


@dataclass(frozen=True, slots=True)
class SourceUse:
    """A source of the forecast, and for how many tasks it was used."""

    source: str
    tasks: int


@dataclass(frozen=True, slots=True)
class CostForecast:
    """Dollars for all tasks that are to be done; None if nothing is known of any of them."""

    spread: Spread | None
    sources: Sequence[SourceUse]
    # How many tasks it leaves out.
    unknown: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """The forecast of one plan."""

    file: str
    tasks: int
    to_do: int
    edges: int
    stranded: Sequence[str]
    critical_path: Sequence[str]
    critical_seconds: float
    # The most tasks that run at once if there is a slot for each.
    width: int
    # Seconds by number of slots.
    wall: Mapping[int, float]
    time_sources: Sequence[SourceUse]
    cost: CostForecast
    # The ids of the tasks, to show the overlaps and the checks by.
    ids: Sequence[str]
    overlaps: FileOverlaps
    checks: Sequence[UnstartableCheck]
    unresolved: Sequence[tuple[str, str]]

    @property
    def faulty(self) -> bool:
        """True if an import of the file is refused, or a check of it certainly can't start."""
        return bool(self.unresolved) or any(check.certain for check in self.checks)


def forecast(
    plan: Plan, known: Sequence[Task], *, rate: float | None = None, exclusive_files: bool = False
) -> Forecast:
    """Forecasts the tasks of the plan that are to be done.

    `known` are the tasks of the server: their history, and which tasks of the file have ended. `rate` is in dollars for
    an estimated hour. With `exclusive_files` tasks with a common file never run at once.

    Raises:
        PlanRefused: The dependencies have a cycle.
    """
    graph = graph_of(plan, {task.task_id: task for task in known})
    definitions = [task.definition for task in plan.tasks]
    ids = [definition.task_id for definition in definitions]
    seconds, time_sources = _seconds(definitions, graph.order, _history(known, seconds_of))
    work = _work(plan, graph, seconds, exclusive_files=exclusive_files)
    path = critical_path(work)
    return Forecast(
        file=plan.file,
        tasks=len(ids),
        to_do=len(graph.order),
        edges=graph.edges,
        stranded=graph.stranded,
        critical_path=[ids[i] for i in path.tasks],
        critical_seconds=path.seconds,
        width=timetable(work, slots=None).most_at_once,
        wall={slots: timetable(work, slots=slots).seconds for slots in SLOTS},
        time_sources=time_sources,
        cost=_cost([definitions[i] for i in graph.order], _history(known, cost_of), rate),
        ids=ids,
        overlaps=overlaps(graph.order, graph.dependencies, {i: definitions[i].files for i in graph.order}),
        checks=unstartable_checks((i, command) for i in graph.order for command in definitions[i].checks),
        unresolved=graph.unresolved,
    )


def _history(known: Sequence[Task], value_of: Callable[[Task], float | None]) -> History:
    history = History()
    for task in known:
        if (value := value_of(task)) is not None:
            history.add(task, value)
    return history


def _seconds(
    definitions: Sequence[TaskDefinition], order: Sequence[int], history: History
) -> tuple[list[float], list[SourceUse]]:
    """Returns the time of each task, and what it is taken from."""
    seconds, uses = [0.0] * len(definitions), _Uses()
    hours = [found for i in order if (found := estimated_hours(definitions[i])) is not None]
    usual_hours = median(hours) if hours else 1.0
    for i in order:
        basis, own = history.basis(definitions[i]), estimated_hours(definitions[i])
        if basis is not None:
            seconds[i] = basis.quantile(0.5)
            uses.add_examples(basis)
        elif own is not None:
            seconds[i] = own * HOUR_S
            uses.add(BY_ESTIMATE)
        else:
            seconds[i] = usual_hours * HOUR_S
            median_of = ", the median of the other estimates" if hours else ""
            uses.add(f"no estimate: {usual_hours:g} h each{median_of}")
    return seconds, uses.listed()


def _cost(tasks: Sequence[Estimated], history: History, rate: float | None) -> CostForecast:
    bases: list[Basis] = []
    uses, fixed, unknown = _Uses(), [], 0
    for task in tasks:
        basis, hours = history.basis(task), estimated_hours(task)
        if basis is not None:
            bases.append(basis)
            uses.add_examples(basis)
        elif rate is not None and hours is not None:
            fixed.append(rate * hours)
            uses.add(BY_RATE)
        else:
            unknown += 1
    spread = total(bases, fixed=math.fsum(fixed)) if bases or fixed else None
    return CostForecast(spread, uses.listed(), unknown)


def cost_of_rest(known: Sequence[Task], plan: str) -> CostForecast:
    """Forecasts what the tasks of a plan's budget cost that have not ended; of all tasks if `plan` is empty."""
    rest = [task for task in known if task.status not in _ENDED and plan in ("", task.plan)]
    return _cost(rest, _history(known, cost_of), None)


class _Uses:
    """A count of tasks by source, in the order of their first use."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, int] = defaultdict(int)

    def add(self, source: str) -> None:
        self._counts[source] += 1

    def add_examples(self, basis: Basis) -> None:
        examples = basis.examples
        self.add(f"{examples.kind}, {len(examples.values)} completed")

    def listed(self) -> list[SourceUse]:
        return [SourceUse(source, count) for source, count in self._counts.items()]


def _work(plan: Plan, graph: PlanGraph, seconds: Sequence[float], *, exclusive_files: bool) -> PlannedWork:
    names: dict[int, list[str]] = {}
    priorities = [DEFAULT_PRIORITY] * len(plan.tasks)
    for i in graph.order:
        definition = plan.tasks[i].definition
        if definition.HasField("priority"):
            priorities[i] = definition.priority
        held = list(definition.exclusive)
        if exclusive_files or definition.workspace == WorkspaceKind.WORKSPACE_KIND_SHARED:
            # No name has a slash.
            held += [f"/{path}" for path in definition.files]
        if held:
            names[i] = list(dict.fromkeys(held))
    return PlannedWork(graph.order, graph.dependencies, seconds, priorities, names, plan.concurrency)
