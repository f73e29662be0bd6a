"""What a case hands back, and how it is shown: measured figures with their spread, never a figure from elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    value: str
    note: str = ""


@dataclass
class Timer:
    """How long a block took."""

    seconds: float = 0.0


@dataclass
class Samples:
    """Times of one thing, in seconds."""

    seconds: list[float] = field(default_factory=list)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Times the block as one sample."""
        begin = time.perf_counter()
        yield
        self.seconds.append(time.perf_counter() - begin)

    def ms(self, share: float) -> float:
        """The time, in milliseconds, that this share of the samples took at most."""
        ordered = sorted(self.seconds)
        return 1_000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def shown(self) -> str:
        """p50, p99 and how many."""
        return f"p50 {self.ms(0.5):.2f} ms, p99 {self.ms(0.99):.2f} ms (n={len(self.seconds)})"


@contextmanager
def timed() -> Iterator[Timer]:
    """Times the block."""
    timer, begin = Timer(), time.perf_counter()
    yield timer
    timer.seconds = time.perf_counter() - begin
