"""Virtual time and the dice: a heap of calls that are due, random numbers by subject, and the log of all.

Its one rule: nothing here, or that uses it, reads a clock, a thread's timing or the system's entropy, so
that a seed alone says what happens.
"""

import asyncio
import hashlib
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Call = Callable[[], None]
KEPT_LINES = 400
START_S = 1_000.0


class Violated(AssertionError):
    """A broken promise; the message names it, and the world's log shows how it happened."""


@dataclass(slots=True)
class Due:
    """A scheduled call; a Timer for the engine."""

    at_s: float
    call: Call
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class World:
    """A simulated universe."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.now_s = START_S
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.events = 0
        self.echo: Callable[[str], None] | None = None
        self.fault: BaseException | None = None
        self._hash = hashlib.sha256()
        self._heap: list[tuple[float, int, Due]] = []
        self._numbers = itertools.count()
        loop: Any = asyncio.get_running_loop()
        self._loop = loop
        self._loop.world = self  # the loop's timers use this world's time

    def dice(self, subject: str) -> random.Random:
        """Returns a subject's own random numbers, so that its choices do not shift another subject's."""
        return random.Random(f"{self.seed}/{subject}")

    def at(self, delay_s: float, call: Call) -> Due:
        """Schedules the call after a span of virtual time."""
        due = Due(self.now_s + max(0.0, delay_s), call)
        heapq.heappush(self._heap, (due.at_s, next(self._numbers), due))
        return due

    def log(self, line: str) -> None:
        """Records a line; runs are compared by the digest of all lines."""
        line = f"{self.now_s - START_S:11.4f} {line}"
        self._hash.update(line.encode())
        self.lines.append(line)
        if self.echo is not None:
            self.echo(line)

    def fail(self, fault: BaseException) -> None:
        """Records a broken promise at a place where a raised error would be lost."""
        self.fault = self.fault or fault

    @property
    def digest(self) -> str:
        """The digest of all lines so far."""
        return self._hash.hexdigest()

    async def settle(self, *, quietly: bool = False) -> None:
        """Lets the event loop do all that it can do now."""
        while self._loop._ready:  # noqa: ASYNC110  # no event says that all is done
            await asyncio.sleep(0)
        if self.fault is not None and not quietly:
            raise self.fault

    async def run(self, until_s: float, *, after_each: Call) -> None:
        """Passes virtual time; calls `after_each` when all consequences of a call have happened."""
        while self._heap and self._heap[0][0] <= until_s:
            due = heapq.heappop(self._heap)[2]
            if due.cancelled:
                continue
            self.now_s = due.at_s
            self.events += 1
            due.call()
            await self.settle()
            after_each()
        self.now_s = max(self.now_s, until_s)


class SimClock:
    """The server's clocks, one for each process, so that timers of a dead process never fire."""

    def __init__(self, world: World, run: Callable[[Call], None]) -> None:
        self._world = world
        self._run = run
        self.wall_offset_us = 0

    def monotonic_s(self) -> float:
        return self._world.now_s

    def wall_us(self) -> int:
        return 1_700_000_000_000_000 + int(self._world.now_s * 1_000_000) + self.wall_offset_us

    def call_later(self, delay_s: float, call: Call) -> Due:
        return self._world.at(delay_s, lambda: self._run(call))


class SimEntropy:
    """Random numbers and secrets from the seed."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def chance(self) -> float:
        return self._dice.random()

    def secret(self) -> str:
        return f"{self._dice.getrandbits(128):032x}"
