"""Waits before next attempts. They live in memory and count by the monotonic clock: a restart begins them anew."""

from collections.abc import Callable
from functools import partial

from swarmd.domain.model import Task, TaskKey
from swarmd.engine.ports import Clock, Timer
from swarmd.store import tasks
from swarmd.store.transaction import Tx


class RetryTimers:
    """One timer a waiting task. `due` is told which task's wait is over."""

    def __init__(self, clock: Clock, due: Callable[[TaskKey], None]) -> None:
        self._clock = clock
        self._due = due
        self._timers: dict[TaskKey, tuple[Timer, float]] = {}

    def begin(self, tx: Tx, task: Task) -> None:
        """Lets the task wait its `backoff_s`, from the commit on."""
        tx.after_commit(partial(self.wait, task.key, task.backoff_s))

    def wait(self, key: TaskKey, backoff_s: float) -> None:
        """The same at once, on the event loop."""
        if (old := self._timers.pop(key, None)) is not None:
            old[0].cancel()
        timer = self._clock.call_later(backoff_s, partial(self._over, key))
        self._timers[key] = (timer, self._clock.monotonic_s() + backoff_s)

    def remaining_s(self, key: TaskKey) -> float | None:
        """How long the task still waits, None if it doesn't."""
        found = self._timers.get(key)
        return None if found is None else max(0.0, found[1] - self._clock.monotonic_s())

    def close(self) -> None:
        """Forgets all timers."""
        for timer, _ in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _over(self, key: TaskKey) -> None:
        self._timers.pop(key, None)
        self._due(key)


def end_wait(tx: Tx, key: TaskKey) -> None:
    """Makes the task claimable, unless something else happened to it meanwhile."""
    tasks.make_ready(tx, key)
