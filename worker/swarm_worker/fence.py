"""The worker's right to run sessions: the server extends it with each answered heartbeat, and its guards
enforce it, so that it ends in time even if this process hangs or is frozen."""

import time
from typing import Protocol


class Fenced(Protocol):
    """A guard."""

    def fence(self, seconds: float) -> None:
        """Lets the session run for that long from now, unless more is said."""


class Fence:
    """Knows until when sessions may run and tells the guards. All times are monotonic."""

    def __init__(self) -> None:
        self._heard = time.monotonic()
        self._stop_after_s = 0.0
        self._guards: set[Fenced] = set()

    @property
    def left_s(self) -> float:
        """How long sessions may run from now on if the server is not heard again; 0 if not at all."""
        return max(0.0, self._heard + self._stop_after_s - time.monotonic())

    def begin(self, *, stop_after_s: float, since: float) -> None:
        """The server has said how long its silence may last; its first word counts as a heartbeat."""
        if self._stop_after_s == 0.0:
            self._heard = since
        self._stop_after_s = stop_after_s
        self._tell()

    def extend(self, *, since: float) -> None:
        """A heartbeat was answered; it counts from when it was sent."""
        self._heard = max(self._heard, since)
        self._tell()

    def add(self, guard: Fenced) -> None:
        """A guard has started, with the right as it was then."""
        self._guards.add(guard)

    def remove(self, guard: Fenced) -> None:
        """It has ended."""
        self._guards.discard(guard)

    def _tell(self) -> None:
        for guard in self._guards:
            guard.fence(self.left_s)
