"""The results of a measure and their presentation: figures of this run with their spread, none from
elsewhere.

A figure is mostly a ratio: ours and a reference, measured one right after the other, several times. Times
differ from machine to machine and from hour to hour; such ratios can be compared.
"""

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Goal:
    """The bound that a median should keep."""

    bound: float
    at_least: bool

    def met(self, value: float) -> bool:
        """Returns whether the value keeps the goal."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


def at_least(bound: float) -> Goal:
    """Returns a goal for a value that should be large."""
    return Goal(bound, at_least=True)


def at_most(bound: float) -> Goal:
    """Returns a goal for a value that should be small."""
    return Goal(bound, at_least=False)


@dataclass(frozen=True, slots=True)
class Setting:
    """The extent of the measures: `full` gives the sizes of docs/performance.md, the rest takes minutes."""

    pairs: int
    full: bool
    # The length of an endurance measure; 0 is its default.
    asked_minutes: float = 0.0

    def of(self, short: int, full: int) -> int:
        """Returns a number that depends on the scale."""
        return full if self.full else short

    def minutes(self, short: float, full: float) -> float:
        """Returns the length of an endurance measure."""
        return self.asked_minutes or (full if self.full else short)


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of the table: the values of the pairs, and the figures beside them."""

    id: str
    name: str
    values: Sequence[float]
    goal: Goal | None = None
    # The unit; empty for a ratio.
    unit: str = ""
    # Absolute figures of the same run, medians.
    beside: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """True if the median keeps the goal."""
        if self.goal is None:
            return ""
        return "met" if self.goal.met(self.median) else "missed"

    def shown(self) -> str:
        """Returns the median and, of several values, the range."""
        text = f"{short(self.median)}{self.unit}"
        if len(self.values) == 1:
            return text
        return f"{text} [{short(min(self.values))}–{short(max(self.values))}] n={len(self.values)}"

    def line(self) -> str:
        """Returns the finding as one line for people."""
        goal = f"{self.goal} {self.verdict}" if self.goal else ""
        beside = ", ".join(f"{name} {short(value)}" for name, value in self.beside.items())
        return f"{self.id:<7} {self.name:<58} {self.shown():<30} {goal:<14} {beside}"


@dataclass
class Pairs:
    """Pairs of ours and the reference, repeated."""

    ours: list[float] = field(default_factory=list)
    reference: list[float] = field(default_factory=list)

    def add(self, ours: float, reference: float) -> None:
        """Adds one pair, measured one after the other."""
        self.ours.append(ours)
        self.reference.append(reference)

    @property
    def ratios(self) -> list[float]:
        return [ours / reference for ours, reference in zip(self.ours, self.reference, strict=True)]

    def beside(self, ours: str, reference: str) -> dict[str, float]:
        """Returns both medians, named."""
        return {ours: statistics.median(self.ours), reference: statistics.median(self.reference)}


@dataclass
class Timer:
    """A timer of one block."""

    seconds: float = 0.0


@dataclass
class Samples:
    """The times of one operation, in seconds."""

    seconds: list[float] = field(default_factory=list)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Times the block as one sample."""
        begin = time.perf_counter()
        yield
        self.seconds.append(time.perf_counter() - begin)

    def ms(self, share: float) -> float:
        """Returns the time, in milliseconds, that this share of the samples took at most."""
        ordered = sorted(self.seconds)
        return 1_000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@contextmanager
def timed() -> Iterator[Timer]:
    """Times the block."""
    timer, begin = Timer(), time.perf_counter()
    yield timer
    timer.seconds = time.perf_counter() - begin


def short(value: float) -> str:
    """Returns a number with a useful number of digits."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
