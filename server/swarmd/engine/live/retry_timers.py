"""Timers of tasks in a backoff. They live in memory and are monotonic: a restart starts them again in full."""

from collections.abc import Callable
from functools import partial

from swarmd.domain.model import Task, TaskKey
from swarmd.engine.ports import Clock, Timer
from swarmd.store.transaction import Tx


class RetryTimers:
    """A timer per waiting task; calls `due` with the key of a task whose backoff is over."""

    def __init__(self, clock: Clock, due: Callable[[TaskKey], None]) -> None:
        self._clock = clock
        self._due = due
        self._timers: dict[TaskKey, tuple[Timer, float]] = {}

    def start_on_commit(self, tx: Tx, task: Task) -> None:
        """Starts the task's timer over its `backoff_s` when the transaction commits."""
        tx.after_commit(partial(self.start, task.key, task.backoff_s))

    def start(self, key: TaskKey, backoff_s: float) -> None:
        """Starts the task's timer now, in place of an earlier one. Call it on the event loop."""
        if (old := self._timers.pop(key, None)) is not None:
            old[0].cancel()
        timer = self._clock.call_later(backoff_s, partial(self._expire, key))
        self._timers[key] = (timer, self._clock.monotonic_s() + backoff_s)

    def remaining_s(self, key: TaskKey) -> float | None:
        """Returns the rest of the task's backoff, or None if it is in none."""
        found = self._timers.get(key)
        return None if found is None else max(0.0, found[1] - self._clock.monotonic_s())

    def close(self) -> None:
        """Cancels all timers."""
        for timer, _ in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _expire(self, key: TaskKey) -> None:
        self._timers.pop(key, None)
        self._due(key)
