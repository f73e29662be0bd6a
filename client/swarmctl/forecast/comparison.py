"""The forecast of completed tasks beside what they took and cost.

The forecast is not stored: it is made again from the tasks that had completed when the task was added, which is what a
forecast at its import would have known.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from amplifier_swarm.v1.task_pb2 import Task
from swarmctl.forecast.forecast import HOUR_S
from swarmctl.forecast.history import (
    Basis,
    History,
    Spread,
    cost_of,
    estimated_hours,
    seconds_of,
    total,
)


@dataclass(frozen=True, slots=True)
class ComparedTask:
    """A completed task: the forecast and the truth, in dollars and in seconds; None where it is not known."""

    task_id: str
    cost: float | None
    cost_forecast: Spread | None
    seconds: float | None
    seconds_forecast: Spread | None


@dataclass(frozen=True, slots=True)
class ComparedSum:
    """A sum over the tasks of which both the forecast and the truth are known."""

    tasks: int
    forecast: Spread
    truth: float
    # How many tasks stayed below the p90 of their forecast.
    within_p90: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of some tasks."""

    tasks: Sequence[ComparedTask]
    cost: ComparedSum | None
    seconds: ComparedSum | None
    # Tasks of the file, or of the server, that have not completed, or were only rehearsed.
    left_out: int


def comparison(
    known: Sequence[Task], *, only: Iterable[str] | None = None, rate: float | None = None
) -> Comparison:
    """Compares the completed tasks of the server, or those of them whose ids are in `only`."""
    wanted = None if only is None else set(only)
    compared = [task for task in known if wanted is None or task.task_id in wanted]
    done = [task for task in compared if seconds_of(task) is not None or cost_of(task) is not None]
    dollars = _Past({t.task_id: v for t in known if (v := cost_of(t)) is not None}, known)
    times = _Past({t.task_id: v for t in known if (v := seconds_of(t)) is not None}, known)
    costs, cost_sum = dollars.compare(done, per_hour=rate)
    spans, span_sum = times.compare(done, per_hour=HOUR_S)
    return Comparison(
        [
            ComparedTask(
                task.task_id,
                dollars.values.get(task.task_id),
                costs.get(task.task_id),
                times.values.get(task.task_id),
                spans.get(task.task_id),
            )
            for task in done
        ],
        cost_sum,
        span_sum,
        left_out=len(compared) - len(done),
    )


class _Past:
    """The values of one measure by task, given to a history in the order in which the tasks completed."""

    def __init__(self, values: Mapping[str, float], known: Sequence[Task]) -> None:
        self.values = values
        self._ended = sorted(
            (task for task in known if task.task_id in values), key=lambda t: t.completed_at.ToNanoseconds()
        )

    def compare(
        self, tasks: Sequence[Task], *, per_hour: float | None
    ) -> tuple[Mapping[str, Spread], ComparedSum | None]:
        """Returns the forecasts by task, and the sums; `per_hour` is the value of an hour for want of examples."""
        history, ended, forecasts = History(), iter(self._ended), {}
        following = next(ended, None)
        sums, truth, within = _Sums(), [], 0
        for task in sorted(tasks, key=lambda t: t.created_at.ToNanoseconds()):
            added = task.created_at.ToNanoseconds()
            while following is not None and following.completed_at.ToNanoseconds() <= added:
                history.add(following, self.values[following.task_id])
                sums.close()
                following = next(ended, None)
            basis, hours = history.basis(task), estimated_hours(task)
            fixed = None if basis is not None or per_hour is None or hours is None else hours * per_hour
            if basis is None and fixed is None:
                continue
            made = _spread(basis, fixed or 0.0)
            forecasts[task.task_id] = made
            if (value := self.values.get(task.task_id)) is not None:
                sums.add(basis, fixed or 0.0)
                truth.append(value)
                within += value <= made.p90
        sums.close()
        whole = ComparedSum(len(truth), sums.spread, math.fsum(truth), within) if truth else None
        return forecasts, whole


def _spread(basis: Basis | None, fixed: float) -> Spread:
    return Spread(fixed, fixed) if basis is None else Spread(basis.quantile(0.5), basis.quantile(0.9))


class _Sums:
    """Sums of forecasts that were made at several times; those of one time share their examples."""

    def __init__(self) -> None:
        self.spread = Spread(0.0, 0.0)
        self._bases: list[Basis] = []
        self._fixed = 0.0

    def add(self, basis: Basis | None, fixed: float) -> None:
        self._fixed += fixed
        if basis is not None:
            self._bases.append(basis)

    def close(self) -> None:
        """Adds what has been gathered: the examples are about to change. Variances of several times add up."""
        if not self._bases and not self._fixed:
            return
        found = total(self._bases, fixed=self._fixed)
        above = math.hypot(self.spread.p90 - self.spread.p50, found.p90 - found.p50)
        middle = self.spread.p50 + found.p50
        self.spread = Spread(middle, middle + above)
        self._bases, self._fixed = [], 0.0
