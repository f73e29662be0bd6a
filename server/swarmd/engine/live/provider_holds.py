"""Holds of workers whose provider asked to wait. A held worker gets no claims, since each session would end alike.

Holds live in memory: after a restart of the server a worker meets its provider's limit once more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from swarmd.domain.model import WorkerName
from swarmd.engine.ports import Clock, Timer
from swarmd.store.transaction import Tx


@dataclass(frozen=True, slots=True)
class ProviderHold:
    """The provider's words and the end of the wait, by the monotonic clock."""

    cause: str
    until_s: float
    timer: Timer


class ProviderHolds:
    """The workers that wait for their provider."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Called when a hold ends; set by the engine, which then assigns tasks.
        self.on_end: Callable[[], None] = _ignore
        self._holds: dict[WorkerName, ProviderHold] = {}
        # Of the group of writes that is not committed yet: the same group may already assign tasks.
        self._uncommitted: set[WorkerName] = set()

    def __contains__(self, worker: WorkerName) -> bool:
        return worker in self._holds or worker in self._uncommitted

    def start(self, tx: Tx, worker: WorkerName, wait_s: float, cause: str) -> None:
        """Holds the worker from now on, for `wait_s` from the commit on."""
        self._uncommitted.add(worker)
        tx.after_commit(partial(self._begin, worker, wait_s, cause))

    def undo(self) -> None:
        """Drops the holds of a group that was rolled back."""
        self._uncommitted.clear()

    def describe(self, worker: WorkerName) -> str:
        """Returns the remaining wait and its cause in one line, empty if the worker is not held."""
        hold = self._holds.get(worker)
        if hold is None:
            return ""
        return f"for {max(0.0, hold.until_s - self._clock.monotonic_s()):.0f} s ({hold.cause})"

    def clear(self) -> None:
        """Ends every hold, as an operator's resume does."""
        self.close()
        self.undo()
        self.on_end()

    def close(self) -> None:
        """Cancels every timer."""
        for hold in self._holds.values():
            hold.timer.cancel()
        self._holds.clear()

    def _begin(self, worker: WorkerName, wait_s: float, cause: str) -> None:
        self._uncommitted.discard(worker)
        until_s = self._clock.monotonic_s() + wait_s
        if (old := self._holds.get(worker)) is not None:
            if old.until_s >= until_s:
                return
            old.timer.cancel()
        timer = self._clock.call_later(wait_s, partial(self._end, worker))
        self._holds[worker] = ProviderHold(cause, until_s, timer)

    def _end(self, worker: WorkerName) -> None:
        self._holds.pop(worker, None)
        self.on_end()


def _ignore() -> None:
    """Stands in until the engine has set `on_end`."""
