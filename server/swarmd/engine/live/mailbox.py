"""What waits to be sent to one worker. Used on the event loop only."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from swarmd.domain.errors import SwarmError
from swarmd.domain.model import Claim, Lease, Order


@dataclass(frozen=True, slots=True)
class WorkerNotice:
    """What concerns a worker beyond its leases."""

    done: bool
    drain: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that waited, for one message."""

    claims: Sequence[tuple[Lease, Claim]]
    orders: Sequence[Order]
    notice: WorkerNotice | None


class Mailbox:
    """Gathers for one stream. Closing it ends the stream after nothing more."""

    def __init__(self) -> None:
        self._claims: list[tuple[Lease, Claim]] = []
        self._orders: list[Order] = []
        self._notice: WorkerNotice | None = None
        self._wake = asyncio.Event()
        self._error: SwarmError | None = None
        self.closed = False

    def claim(self, lease: Lease, claim: Claim) -> None:
        """Adds a claim."""
        self._claims.append((lease, claim))
        self._wake.set()

    def order(self, order: Order) -> None:
        """Adds an order."""
        self._orders.append(order)
        self._wake.set()

    def notice(self, notice: WorkerNotice) -> None:
        """Replaces the notice that waits."""
        self._notice = notice
        self._wake.set()

    def close(self, error: SwarmError | None = None) -> None:
        """Ends the stream, with the error if there is one."""
        self.closed = True
        self._error = self._error or error
        self._wake.set()

    async def take(self) -> Batch | None:
        """Waits for something and takes all of it; None, or the error, when the mailbox is closed."""
        while not (self._claims or self._orders or self._notice or self.closed):
            self._wake.clear()
            await self._wake.wait()
        if self.closed:
            if self._error is not None:
                raise self._error
            return None
        parcel = Batch(self._claims, self._orders, self._notice)
        self._claims, self._orders, self._notice = [], [], None
        return parcel

    def untaken(self) -> Sequence[Lease]:
        """The leases of claims that nobody took."""
        return [lease for lease, _ in self._claims]
