"""Costs and times of earlier tasks of the swarm, as a basis for tasks that are like them.

Invariant: rehearsals count for nothing, since no model did their work.
"""

import math
from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from amplifier_swarm.v1.task_pb2 import Task, TaskDefinition, TaskStatus
from swarmctl import text_format

# Fewer examples say nothing about a kind of task.
LEAST_EXAMPLES: Final = 3
# The place of the 90th percentile of a normal distribution, in standard deviations.
_P90: Final = 1.2815515655446004
Estimated: TypeAlias = Task | TaskDefinition
_Key: TypeAlias = tuple[str, ...]


@dataclass
class Examples:
    """The values of earlier tasks of one kind, sorted; `kind` names them for people."""

    kind: str
    values: list[float] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """Returns the value below which this share of the examples lies, interpolated."""
        place = share * (len(self.values) - 1)
        low = math.floor(place)
        high = min(low + 1, len(self.values) - 1)
        return self.values[low] + (self.values[high] - self.values[low]) * (place - low)

    @property
    def mean(self) -> float:
        """The arithmetic mean."""
        return math.fsum(self.values) / len(self.values)

    @property
    def variance(self) -> float:
        """The variance of the population that they are a sample of."""
        mean = self.mean
        return math.fsum((value - mean) ** 2 for value in self.values) / (len(self.values) - 1)


@dataclass(frozen=True, slots=True)
class Basis:
    """The examples for one task; `weight` is its estimated hours if they are values for one hour, else 1."""

    examples: Examples
    weight: float = 1.0

    def quantile(self, share: float) -> float:
        """Returns the value of the task below which it stays with this probability."""
        return self.examples.quantile(share) * self.weight


class History:
    """The examples of one measure, such as dollars, by kind of task."""

    def __init__(self) -> None:
        self._kinds: dict[_Key, Examples] = {}
        self._per_hour = Examples("an estimated hour of all earlier tasks")
        self._all = Examples("all earlier tasks")

    def add(self, task: Task, value: float) -> None:
        """Adds an earlier task."""
        for key, kind in _kinds_of(task):
            insort(self._kinds.setdefault(key, Examples(kind)).values, value)
        insort(self._all.values, value)
        if hours := estimated_hours(task):
            insort(self._per_hour.values, value / hours)

    def basis(self, task: Estimated) -> Basis | None:
        """Returns the basis of the forecast: the tasks of the same type and phase, type or phase, else all of them."""
        for key, _ in _kinds_of(task):
            found = self._kinds.get(key)
            if found is not None and len(found.values) >= LEAST_EXAMPLES:
                return Basis(found)
        hours = estimated_hours(task)
        if hours and len(self._per_hour.values) >= LEAST_EXAMPLES:
            return Basis(self._per_hour, hours)
        return Basis(self._all) if len(self._all.values) >= LEAST_EXAMPLES else None


@dataclass(frozen=True, slots=True)
class Spread:
    """A sum for several tasks: the middle, and what it stays below in nine of ten cases."""

    p50: float
    p90: float


def total(bases: Iterable[Basis], *, fixed: float = 0.0) -> Spread:
    """Returns the sum over tasks that vary independently of each other, plus `fixed`, which does not vary.

    The fewer examples a kind has, the less is known of its mean: that counts too.
    """
    weights: defaultdict[int, list[float]] = defaultdict(list)
    examples: dict[int, Examples] = {}
    for basis in bases:
        weights[id(basis.examples)].append(basis.weight)
        examples[id(basis.examples)] = basis.examples
    middle, variance = fixed, 0.0
    for key, found in examples.items():
        whole = math.fsum(weights[key])
        squares = math.fsum(weight * weight for weight in weights[key])
        middle += found.mean * whole
        variance += found.variance * (squares + whole * whole / len(found.values))
    return Spread(middle, middle + _P90 * math.sqrt(variance))


def estimated_hours(task: Estimated) -> float | None:
    """Returns the estimate of the task's author; None if there is none."""
    return task.estimated_hours if task.HasField("estimated_hours") else None


def cost_of(task: Task) -> float | None:
    """Returns what a completed task has cost in dollars, all attempts together; None if that is not known."""
    if not _counts(task) or not task.usage.cost:
        return None
    try:
        return text_format.finite(float(task.usage.cost))
    except ValueError:
        return None


def seconds_of(task: Task) -> float | None:
    """Returns the time from the first session of a completed task's last attempt to its end; None if not known."""
    took = text_format.between(task, "started_at", "completed_at") if _counts(task) else None
    return None if took is None else max(0.0, took)


def _counts(task: Task) -> bool:
    return task.status == TaskStatus.TASK_STATUS_COMPLETED and not task.rehearsed


def _kinds_of(task: Estimated) -> Sequence[tuple[_Key, str]]:
    kinds: list[tuple[_Key, str]] = []
    if task.type and task.phase:
        kinds.append((("both", task.type, task.phase), f"type {task.type} and phase {task.phase}"))
    if task.type:
        kinds.append((("type", task.type), f"type {task.type}"))
    if task.phase:
        kinds.append((("phase", task.phase), f"phase {task.phase}"))
    return kinds
