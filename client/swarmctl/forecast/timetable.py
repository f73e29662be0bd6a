"""Timetables: ready tasks start on free slots in the order of the dispatcher, by priority and then by import."""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class PlannedWork:
    """Tasks that are to be done, by number: lists have an entry for each task of the plan, also for ended ones."""

    # Each task after those that it waits for.
    order: Sequence[int]
    dependencies: Sequence[Sequence[int]]
    seconds: Sequence[float]
    priorities: Sequence[int]
    # The names that a task holds while it runs, with how many tasks may share them; the default is 1.
    names: Mapping[int, Sequence[str]] = field(default_factory=dict)
    capacities: Mapping[str, int] = field(default_factory=dict)


class Timetable(NamedTuple):
    """How long all of it takes, and the largest number of tasks that ran at once."""

    seconds: float
    most_at_once: int


class CriticalPath(NamedTuple):
    """The chain of tasks that takes longest, by number, and its time in seconds."""

    tasks: Sequence[int]
    seconds: float


def critical_path(work: PlannedWork) -> CriticalPath:
    """Returns the longest chain of dependencies; of chains that take as long, one with the most tasks."""
    # Seconds and number of tasks of the longest chain that ends with the task.
    ends: dict[int, tuple[float, int]] = {}
    before: dict[int, int | None] = {}
    for i in work.order:
        last = max(work.dependencies[i], key=lambda d: (ends[d], -d), default=None)
        before[i] = last
        seconds, count = (0.0, 0) if last is None else ends[last]
        ends[i] = (seconds + work.seconds[i], count + 1)
    at = max(ends, key=lambda i: (ends[i], -i), default=None)
    whole = 0.0 if at is None else ends[at][0]
    path: list[int] = []
    while at is not None:
        path.append(at)
        at = before[at]
    return CriticalPath(path[::-1], whole)


def timetable(work: PlannedWork, *, slots: int | None) -> Timetable:
    """Plays the plan on this number of slots; None for as many as it can use."""
    return _Play(work, slots).run()


class _Play:
    """A run of a plan. A task that waits for a name takes no slot, and starts when the name is free."""

    def __init__(self, work: PlannedWork, slots: int | None) -> None:
        self._work = work
        self._slots = len(work.order) if slots is None else slots
        self._open = {i: len(work.dependencies[i]) for i in work.order}
        self._dependents: dict[int, list[int]] = {}
        for i in work.order:
            for dependency in work.dependencies[i]:
                self._dependents.setdefault(dependency, []).append(i)
        self._ready = [(-work.priorities[i], i) for i in work.order if not self._open[i]]
        heapq.heapify(self._ready)
        self._running: list[tuple[float, int]] = []
        self._in_use: Counter[str] = Counter()
        self._waiting: dict[str, list[tuple[int, int]]] = {}
        # The name that a ready task has waited for: if it can't start, the next in that queue may.
        self._waited_for: dict[int, str] = {}

    def run(self) -> Timetable:
        now, most = 0.0, 0
        self._start(now)
        while self._running:
            most = max(most, len(self._running))
            now = self._running[0][0]
            while self._running and self._running[0][0] <= now:
                self._end(heapq.heappop(self._running)[1])
            self._start(now)
        return Timetable(now, most)

    def _start(self, now: float) -> None:
        while self._ready and len(self._running) < self._slots:
            entry = heapq.heappop(self._ready)
            i = entry[1]
            names = self._work.names.get(i, ())
            taken = next((name for name in names if not self._has_room(name)), None)
            waited_for = self._waited_for.pop(i, None)
            if taken is not None:
                heapq.heappush(self._waiting.setdefault(taken, []), entry)
                if waited_for is not None and waited_for != taken:
                    self._wake(waited_for)
                continue
            self._in_use.update(names)
            heapq.heappush(self._running, (now + self._work.seconds[i], i))

    def _end(self, i: int) -> None:
        for dependent in self._dependents.get(i, ()):
            self._open[dependent] -= 1
            if not self._open[dependent]:
                heapq.heappush(self._ready, (-self._work.priorities[dependent], dependent))
        for name in self._work.names.get(i, ()):
            self._in_use[name] -= 1
            self._wake(name)

    def _has_room(self, name: str) -> bool:
        return self._in_use[name] < self._work.capacities.get(name, 1)

    def _wake(self, name: str) -> None:
        """Lets the first task that waits for the name try again."""
        if waiting := self._waiting.get(name):
            entry = heapq.heappop(waiting)
            self._waited_for[entry[1]] = name
            heapq.heappush(self._ready, entry)
