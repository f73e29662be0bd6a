"""Messages that wait to be sent to one worker. Used on the event loop only."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from swarmd.domain.claim import Claim
from swarmd.domain.errors import SwarmError
from swarmd.domain.model import Lease, Order
from swarmd.domain.sizes import claim_chars

# One message has about this many characters of claims, at most 1 MiB in any language.
BATCH_CHARS: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class WorkerNotice:
    """The facts that concern a worker beyond its leases."""

    done: bool
    drain: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """The content of one message."""

    claims: Sequence[tuple[Lease, Claim]]
    orders: Sequence[Order]
    notice: WorkerNotice | None


class Mailbox:
    """A queue of claims, orders and the latest notice for one stream. Closing it ends the stream at once."""

    def __init__(self) -> None:
        self._claims: list[tuple[Lease, Claim]] = []
        self._orders: list[Order] = []
        self._notice: WorkerNotice | None = None
        self._wake = asyncio.Event()
        self._error: SwarmError | None = None
        self.closed = False

    @property
    def empty(self) -> bool:
        """Returns whether nothing waits to be sent."""
        return not (self._claims or self._orders or self._notice)

    def add_claim(self, lease: Lease, claim: Claim) -> None:
        """Queues a claim."""
        self._claims.append((lease, claim))
        self._wake.set()

    def add_order(self, order: Order) -> None:
        """Queues an order."""
        self._orders.append(order)
        self._wake.set()

    def set_notice(self, notice: WorkerNotice) -> None:
        """Replaces the notice that waits."""
        self._notice = notice
        self._wake.set()

    def close(self, error: SwarmError | None = None) -> None:
        """Ends the stream, with the error if there is one."""
        self.closed = True
        self._error = self._error or error
        self._wake.set()

    async def next_batch(self) -> Batch | None:
        """Waits until something is queued and returns it, or None once the mailbox is closed.

        A batch has all orders, and as many claims as have about BATCH_CHARS of text; at least one, if one is queued.

        Raises: the error that the mailbox was closed with.
        """
        while self.empty and not self.closed:
            self._wake.clear()
            await self._wake.wait()
        if self.closed:
            if self._error is not None:
                raise self._error
            return None
        batch = Batch(self._next_claims(), self._orders, self._notice)
        self._orders, self._notice = [], None
        return batch

    def _next_claims(self) -> Sequence[tuple[Lease, Claim]]:
        chars = count = 0
        while count < len(self._claims) and chars < BATCH_CHARS:
            chars += claim_chars(self._claims[count][1])
            count += 1
        if count > 1 and chars > BATCH_CHARS:
            count -= 1
        batch, self._claims = self._claims[:count], self._claims[count:]
        return batch

    def undelivered(self) -> Sequence[Lease]:
        """Returns the leases of claims that are still queued."""
        return [lease for lease, _ in self._claims]
