"""Batches of items: one call of a kind is in flight, and the items that wait meanwhile share the next.

Invariant: a slow server makes messages longer, not more. One message costs as much as a hundred items do.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NoReturn

import grpc
import structlog

from amplifier_swarm.errors import WireError, unpack
from swarm_worker.rpc.pending_items import Answer, Item, PendingItem, PendingItems
from swarm_worker.rpc.retry import REFUSED, CallRetry, exit_for

_log = structlog.get_logger()


class ItemRefused(Exception):  # the answer of the server, not a fault of this program
    """A refusal: the server will never take this item."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The limits of a batcher: how long items may wait, and how many."""

    # Beyond this number the oldest item is dropped: only for items whose answer nobody needs.
    bound: int | None = None
    # How long an item waits for others, or for another call that it can piggyback on.
    linger_s: float = 0.0
    # How long to wait between calls.
    pause_s: float = 0.0


class Batcher(Generic[Item, Answer]):
    """A sender of items of one kind in batches, which repeats each batch until the server answers the batch."""

    def __init__(
        self,
        send: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        retry: CallRetry,
        size_of: Callable[[Item], int],
        limits: BatchLimits | None = None,
    ) -> None:
        limits = limits or BatchLimits()
        self._send = send
        self._retry = retry
        self._linger_s = limits.linger_s
        self._pause_s = limits.pause_s
        self._pending: PendingItems[Item, Answer] = PendingItems(size_of=size_of, bound=limits.bound)
        self._has_items = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._flush_now = asyncio.Event()
        self._sending = asyncio.Lock()

    async def request(self, item: Item) -> Answer:
        """Sends an item and returns the server's answer, however long it takes.

        Raises:
            ItemRefused: The server finds the item wrong.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._append(PendingItem(item, answer))
        return await answer

    def enqueue(self, item: Item) -> None:
        """Sends an item whose answer nobody needs; does not wait."""
        self._append(PendingItem(item, None))

    async def flush(self, timeout_s: float) -> None:
        """Sends without pauses and waits, at most that long, until every item is answered."""
        self._flush_now.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()

    @contextlib.asynccontextmanager
    async def piggyback(self, timeout_s: float) -> AsyncIterator[Sequence[Item]]:
        """Takes the waiting items to send them with a call of another kind; requeues them if that call fails.

        Waits at most `timeout_s` seconds for a call of this kind in flight. Sends items separately if they don't fit
        into a single message. Only for items whose answer nobody needs.
        """
        if not self._pending.fit_one_message:
            await self.flush(timeout_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._sending:
                pass
        batch = self._pending.next_batch()
        try:
            yield [pending.item for pending in batch]
        except grpc.RpcError:
            self._pending.requeue(batch)
            self._mark_busy()
            raise
        self._retry.succeeded()

    async def run(self) -> NoReturn:
        """Sends until it is cancelled.

        Raises:
            ProgramExit: The server will never accept this worker.
        """
        while True:
            await self._has_items.wait()
            await self._wait_unless_flushing(self._linger_s)
            async with self._sending:
                if batch := self._pending.next_batch():
                    await self._send_batch(batch)
            if not self._pending:
                self._has_items.clear()
                self._idle.set()
                self._flush_now.clear()
            if batch:
                await self._wait_unless_flushing(self._pause_s)

    def _append(self, pending: PendingItem[Item, Answer]) -> None:
        self._pending.append(pending)
        self._mark_busy()

    def _mark_busy(self) -> None:
        self._has_items.set()
        self._idle.clear()

    async def _send_batch(self, batch: Sequence[PendingItem[Item, Answer]]) -> None:
        try:
            answers = await self._send([pending.item for pending in batch])
        except grpc.RpcError as error:
            await self._on_failure(batch, unpack(error))
            return
        if len(answers) != len(batch):
            await self._on_failure(batch, WireError(grpc.StatusCode.UNKNOWN, "answers are missing"))
            return
        self._retry.succeeded()
        for pending, answer in zip(batch, answers, strict=True):
            if pending.answer is not None and not pending.abandoned:
                pending.answer.set_result(answer)

    async def _on_failure(self, batch: Sequence[PendingItem[Item, Answer]], error: WireError) -> None:
        if end := exit_for(error):
            raise end
        if error.code is not REFUSED:
            self._pending.requeue(batch)
            await self._retry.wait_after(error)
        elif len(batch) > 1:
            self._pending.requeue_one_by_one(batch)
        else:
            self._refuse(batch[0], error)

    def _refuse(self, pending: PendingItem[Item, Answer], error: WireError) -> None:
        _log.error(
            "the server refuses an item", call=self._retry.call, code=error.code.name, error=error.message
        )
        if pending.answer is not None and not pending.abandoned:
            pending.answer.set_exception(ItemRefused(error.message))

    async def _wait_unless_flushing(self, wait_s: float) -> None:
        if wait_s == 0 or self._flush_now.is_set():
            return
        # Not wait_for: on Python 3.11 it loses a cancellation that comes together with the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._flush_now.wait()
