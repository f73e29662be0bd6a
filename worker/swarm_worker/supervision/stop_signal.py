"""Stop orders for one attempt; they come over the claim stream, in heartbeats, and from the worker itself.

The program that an order would end is the one that runs, so its signs are asked for here too.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from swarm_worker.domain.types import StopOrder

if TYPE_CHECKING:  # an idle worker does without the values of sessions
    from swarm_worker.supervision.model import RunSigns

T = TypeVar("T")

# Called with the grace period in seconds.
KillHandler = Callable[[float], object]


class Stop:
    """The hardest order so far. Repeated orders change nothing.

    Invariant: an order can become harder, never softer, and is never taken back.
    """

    def __init__(self, *, grace_s: float) -> None:
        self.order: StopOrder | None = None
        self.ordered = asyncio.Event()
        # Whether the worker itself got a signal to end, whose sender may have sent it to the sessions too.
        self.worker_signalled = False
        self._grace_s = grace_s
        self._kill: KillHandler | None = None
        self._signs: Callable[[], RunSigns] | None = None

    def request(self, order: StopOrder) -> None:
        """Orders the attempt to end."""
        if self.order is not None and (order.graceful or not self.order.graceful):
            return
        self.order = order
        self.ordered.set()
        if self._kill is not None:
            self._kill(self._grace)

    def end_program(self) -> None:
        """Ends the program that runs now with its grace period, and not the attempt; does nothing between programs."""
        if self._kill is not None:
            self._kill(self._grace_s)

    @property
    def signs(self) -> "RunSigns | None":
        """The signs of the program that runs at present; None if none does."""
        return None if self._signs is None else self._signs()

    @contextmanager
    def on_order(self, kill: KillHandler, signs: "Callable[[], RunSigns] | None" = None) -> Iterator[None]:
        """Calls `kill` for each new order inside the context, and at once if there is an order already.

        `signs` returns those of the program that an order would end.
        """
        self._kill, self._signs = kill, signs
        if self.order is not None:
            kill(self._grace)
        try:
            yield
        finally:
            self._kill = self._signs = None

    async def unless_ordered(self, work: Coroutine[Any, Any, T], otherwise: T) -> T:
        """Returns what the work returns; cancels the work and returns `otherwise` if an order comes first."""
        task = asyncio.ensure_future(work)
        order = asyncio.ensure_future(self.ordered.wait())
        try:
            await asyncio.wait((task, order), return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()
            order.cancel()
        return otherwise if self.order is not None else task.result()

    @property
    def _grace(self) -> float:
        return self._grace_s if self.order is not None and self.order.graceful else 0.0
