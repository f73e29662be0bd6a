"""Timers of tasks in a backoff and of paused runners. They are monotonic: a restart starts them again in full."""

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from swarmd.engine.ports import Clock, Timer
from swarmd.store.transaction import Tx

K = TypeVar("K")


class RetryTimers(Generic[K]):
    """A timer for each key that waits, of a task or of a pause; calls `due` with a key whose wait is over."""

    def __init__(self, clock: Clock, due: Callable[[K], None]) -> None:
        self._clock = clock
        self._due = due
        self._timers: dict[K, tuple[Timer, float]] = {}

    def start_on_commit(self, tx: Tx, key: K, wait_s: float) -> None:
        """Starts the timer of the key when the transaction commits."""
        tx.after_commit(partial(self.start, key, wait_s))

    def start(self, key: K, backoff_s: float) -> None:
        """Starts the timer of the key now, in place of an earlier one. Call it on the event loop."""
        if (old := self._timers.pop(key, None)) is not None:
            old[0].cancel()
        timer = self._clock.call_later(backoff_s, partial(self._expire, key))
        self._timers[key] = (timer, self._clock.monotonic_s() + backoff_s)

    def remaining_s(self, key: K) -> float | None:
        """Returns the rest of the wait, or None if there is none."""
        found = self._timers.get(key)
        return None if found is None else max(0.0, found[1] - self._clock.monotonic_s())

    def close(self) -> None:
        """Cancels all timers."""
        for timer, _ in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _expire(self, key: K) -> None:
        self._timers.pop(key, None)
        self._due(key)
