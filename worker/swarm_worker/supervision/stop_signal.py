"""An attempt's ear for orders to end: they come over the stream, in heartbeats and from the worker itself."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from swarm_worker.domain.types import StopOrder

Kill = Callable[[float], object]


class Stop:
    """Takes orders, each of which may come many times, and passes on what is new in them.

    An order can grow harder, never softer, and is never taken back.
    """

    def __init__(self, *, grace_s: float) -> None:
        self.order: StopOrder | None = None
        self.ordered = asyncio.Event()
        self._grace_s = grace_s
        self._kill: Kill | None = None

    def give(self, order: StopOrder) -> None:
        """Orders the attempt to end."""
        if self.order is not None and (order.graceful or not self.order.graceful):
            return
        self.order = order
        self.ordered.set()
        if self._kill is not None:
            self._kill(self._grace)

    @contextmanager
    def kills(self, kill: Kill) -> Iterator[None]:
        """Calls `kill` with the grace period on every order, on one that was given already at once."""
        self._kill = kill
        if self.order is not None:
            kill(self._grace)
        try:
            yield
        finally:
            self._kill = None

    @property
    def _grace(self) -> float:
        return self._grace_s if self.order is not None and self.order.graceful else 0.0
