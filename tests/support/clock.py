"""A clock and a source of chance that a test controls."""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(order=True)
class _Call:
    due_s: float
    number: int
    call: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    """A clock that stands still until `pass_s`, which makes the due calls in order."""

    def __init__(self) -> None:
        self._now_s = 1_000.0
        self.wall_offset_us = 0
        self._calls: list[_Call] = []
        self._numbers = itertools.count()

    def monotonic_s(self) -> float:
        return self._now_s

    def wall_us(self) -> int:
        return 1_700_000_000_000_000 + int(self._now_s * 1_000_000) + self.wall_offset_us

    def call_later(self, delay_s: float, call: Callable[[], None]) -> _Call:
        planned = _Call(self._now_s + delay_s, next(self._numbers), call)
        heapq.heappush(self._calls, planned)
        return planned

    def pass_s(self, seconds: float) -> None:
        end_s = self._now_s + seconds
        while self._calls and self._calls[0].due_s <= end_s:
            planned = heapq.heappop(self._calls)
            self._now_s = max(self._now_s, planned.due_s)
            if not planned.cancelled:
                planned.call()
        self._now_s = end_s


class FakeEntropy:
    """An entropy whose secrets count up and whose chance is constant."""

    def __init__(self, chance: float = 1.0) -> None:
        self._chance = chance
        self._numbers = itertools.count(1)

    def chance(self) -> float:
        return self._chance

    def secret(self) -> str:
        return f"{next(self._numbers):032x}"
