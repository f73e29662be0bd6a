"""The worker's right to run sessions: each answered heartbeat extends the right, and guards enforce it.

So sessions end in time even if this process hangs or is frozen, or if the machine slept.
"""

import asyncio
import math
from typing import Protocol

from swarm_worker.guard.procfs import boot_s
from swarm_worker.supervision.supervisor import ProcessSupervisor

# The clock of all times here runs on while the machine sleeps, as the clock of a server elsewhere does.
now_s = boot_s


class FencedRun(Protocol):
    """A running session whose guard enforces the fence."""

    def set_fence(self, until_s: float) -> None:
        """Lets the session run until then, unless a later call extends the time."""


class Fence:
    """The end of the right to run, and the runs whose guards have to know it."""

    def __init__(self, supervisor: ProcessSupervisor | None = None) -> None:
        self.supervisor = supervisor or ProcessSupervisor()
        self._heard_s = now_s()
        self._stop_after_s = 0.0
        self._runs: set[FencedRun] = set()
        self._changed = asyncio.Event()

    @property
    def until_s(self) -> float:
        """The time at which sessions end if the server does not answer again, in seconds since boot."""
        return self._heard_s + self._stop_after_s

    @property
    def left_s(self) -> float:
        """The seconds that sessions may run if the server does not answer again; 0 if no session may run."""
        return max(0.0, self.until_s - now_s())

    def set_stop_after(self, stop_after_s: float, *, since: float) -> None:
        """Sets how long the server may be silent; the first call counts as a heartbeat sent at `since`."""
        if self._stop_after_s == 0.0:
            self._heard_s = since
        self._stop_after_s = stop_after_s
        self._publish()

    def extend(self, *, since: float) -> None:
        """Counts an answered heartbeat, from the time when the worker sent it."""
        self._heard_s = max(self._heard_s, since)
        self._publish()

    async def wait_open(self) -> None:
        """Waits until sessions may run; a session without the right would end at once, as lost."""
        while self.left_s == 0:
            self._changed.clear()
            await self._changed.wait()

    def add(self, run: FencedRun) -> None:
        """Adds a run that has started with the present end of the right."""
        self._runs.add(run)

    def remove(self, run: FencedRun) -> None:
        """Removes a run that has ended."""
        self._runs.discard(run)

    def _publish(self) -> None:
        self._changed.set()
        for run in self._runs:
            run.set_fence(self.until_s)


class OpenFence(Fence):
    """A fence without an end, for sessions that outlast any silence of the server; all other causes still end them."""

    @property
    def until_s(self) -> float:
        """The end of the right: infinity, so never."""
        return math.inf
