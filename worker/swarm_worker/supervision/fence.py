"""The worker's right to run sessions: the server extends it with each answered heartbeat, and its guards
enforce it, so that it ends in time even if this process hangs or is frozen, or the machine slept meanwhile."""

import asyncio
import math
from typing import Protocol

from swarm_worker.guard.procfs import boot_s
from swarm_worker.supervision.orphans import ProcessSupervisor

# The clock of all times here. It goes on while the machine sleeps, as the server's does elsewhere.
now_s = boot_s


class Fenced(Protocol):
    """A guard."""

    def fence(self, until_s: float) -> None:
        """Lets the session run until then, unless more is said."""


class Fence:
    """Knows until when sessions may run and tells the guards; and what holds them until then."""

    def __init__(self, hold: ProcessSupervisor | None = None) -> None:
        self.hold = hold or ProcessSupervisor()
        self._heard_s = now_s()
        self._stop_after_s = 0.0
        self._guards: set[Fenced] = set()
        self._told = asyncio.Event()

    @property
    def until_s(self) -> float:
        """When sessions end if the server is not heard again."""
        return self._heard_s + self._stop_after_s

    @property
    def left_s(self) -> float:
        """How long sessions may run from now on if the server is not heard again; 0 if not at all."""
        return max(0.0, self.until_s - now_s())

    def begin(self, *, stop_after_s: float, since: float) -> None:
        """The server has said how long its silence may last; its first word counts as a heartbeat."""
        if self._stop_after_s == 0.0:
            self._heard_s = since
        self._stop_after_s = stop_after_s
        self._tell()

    def extend(self, *, since: float) -> None:
        """A heartbeat was answered; it counts from when it was sent."""
        self._heard_s = max(self._heard_s, since)
        self._tell()

    async def open(self) -> None:
        """Returns when sessions may run: one begun without the right would end at once, as a lost one."""
        while self.left_s == 0:
            self._told.clear()
            await self._told.wait()

    def add(self, guard: Fenced) -> None:
        """A guard has started, with the right as it was then."""
        self._guards.add(guard)

    def remove(self, guard: Fenced) -> None:
        """It has ended."""
        self._guards.discard(guard)

    def _tell(self) -> None:
        self._told.set()
        for guard in self._guards:
            guard.fence(self.until_s)


class OpenFence(Fence):
    """For the sessions of a task that are to outlast any silence of the server. All else ends them as ever."""

    @property
    def until_s(self) -> float:
        """Never."""
        return math.inf
