"""One call of a kind in flight; what waits meanwhile goes together with the next.

So one message costs what a hundred items cost, and a slow server makes messages longer, not more.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, NoReturn, TypeVar

import grpc
import structlog

from amplifier_swarm.errors import WireError, unpack
from swarm_worker.rpc.retry import REFUSED, OutageLog, RetryBackoff, exit_for

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# What the server takes in one message, and well below what the channel does.
ITEMS: Final = 1024
BYTES: Final = 2 * 1024 * 1024

_log = structlog.get_logger()


class ItemRefused(Exception):  # it is the server's answer
    """The server will never take this item."""


@dataclass(frozen=True, slots=True)
class _PendingItem(Generic[Item, Answer]):
    item: Item
    answer: asyncio.Future[Answer] | None

    @property
    def forgotten(self) -> bool:
        """Whether somebody asked and no longer waits."""
        return self.answer is not None and self.answer.done()


class Batcher(Generic[Item, Answer]):
    """Sends items of one kind, and again until they are answered.

    `bound` is how many items may wait: beyond it the oldest is dropped, so only items that nobody asks
    an answer for may have one. `linger_s` is how long an item may wait for others, or for another call that takes
    it along; `pause_s`, how long to wait between calls.
    """

    def __init__(
        self,
        name: str,
        send: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        link: OutageLog,
        weigh: Callable[[Item], int],
        cap_s: float,
        bound: int | None = None,
        linger_s: float = 0.0,
        pause_s: float = 0.0,
    ) -> None:
        self._name = name
        self._send = send
        self._link = link
        self._weigh = weigh
        self._backoff = RetryBackoff(cap_s=cap_s)
        self._bound = bound
        self._linger_s = linger_s
        self._pause_s = pause_s
        self._waiting: deque[_PendingItem[Item, Answer]] = deque(maxlen=bound)
        self._some = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._hurry = asyncio.Event()
        self._calling = asyncio.Lock()
        self._singly = 0

    async def ask(self, item: Item) -> Answer:
        """The server's answer, however long it takes. Raises Refused if the item is wrong."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._put(item, answer)
        return await answer

    def put(self, item: Item) -> None:
        """Sends an item whose answer nobody needs."""
        self._put(item, None)

    async def flush(self, timeout_s: float) -> None:
        """Waits, at most that long, until everything has been sent; without pausing."""
        self._hurry.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()

    @contextlib.asynccontextmanager
    async def withdrawn(self, timeout_s: float) -> AsyncIterator[Sequence[Item]]:
        """What waits, to go with a call of another kind; if that fails, it waits again.

        Begins when no call of this kind is under way, or when that time has passed; what is more than one message
        holds has been sent before. Only for items that nobody asks an answer for.
        """
        if len(self._waiting) > ITEMS or sum(self._weigh(letter.item) for letter in self._waiting) > BYTES:
            await self.flush(timeout_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._calling:
                pass
        batch = self._take()
        try:
            yield [letter.item for letter in batch]
        except grpc.RpcError:
            self._wait_first(batch)
            self._some.set()
            self._idle.clear()
            raise
        self._went_well()

    async def run(self) -> NoReturn:
        """Sends until it is cancelled; raises Exit when the server will never listen."""
        while True:
            await self._some.wait()
            await self._rest(self._linger_s)
            async with self._calling:
                if batch := self._take():
                    await self._try(batch)
            if not self._waiting:
                self._some.clear()
                self._idle.set()
                self._hurry.clear()
            if batch:
                await self._rest(self._pause_s)

    def _put(self, item: Item, answer: asyncio.Future[Answer] | None) -> None:
        self._waiting.append(_PendingItem(item, answer))
        self._some.set()
        self._idle.clear()

    def _take(self) -> list[_PendingItem[Item, Answer]]:
        batch: list[_PendingItem[Item, Answer]] = []
        limit, room = (1 if self._singly else ITEMS), BYTES
        while self._waiting and len(batch) < limit and (room > 0 or not batch):
            letter = self._waiting.popleft()
            if not letter.forgotten:
                batch.append(letter)
                room -= self._weigh(letter.item)
        self._singly = max(0, self._singly - 1)
        return batch

    async def _try(self, batch: list[_PendingItem[Item, Answer]]) -> None:
        try:
            answers = await self._send([letter.item for letter in batch])
        except grpc.RpcError as error:
            await self._failed(batch, unpack(error))
            return
        if len(answers) != len(batch):
            await self._failed(batch, WireError(grpc.StatusCode.UNKNOWN, "answers are missing"))
            return
        self._went_well()
        for letter, answer in zip(batch, answers, strict=True):
            if letter.answer is not None and not letter.forgotten:
                letter.answer.set_result(answer)

    async def _failed(self, batch: list[_PendingItem[Item, Answer]], error: WireError) -> None:
        if end := exit_for(error):
            raise end
        if error.code is REFUSED and len(batch) == 1:
            self._refuse(batch[0], error)
            return
        self._wait_first(batch)
        if error.code is REFUSED:  # find the one at fault
            self._singly = len(batch)
            return
        self._link.failed(self._name, error)
        await asyncio.sleep(self._backoff.next_s())

    def _wait_first(self, batch: Sequence[_PendingItem[Item, Answer]]) -> None:
        self._waiting = deque([*batch, *self._waiting], maxlen=self._bound)

    def _went_well(self) -> None:
        self._link.answered(self._name)
        self._backoff.reset()

    def _refuse(self, letter: _PendingItem[Item, Answer], error: WireError) -> None:
        _log.error("the server refuses an item", call=self._name, code=error.code.name, error=error.message)
        if letter.answer is not None and not letter.forgotten:
            letter.answer.set_exception(ItemRefused(error.message))

    async def _rest(self, pause_s: float) -> None:
        if pause_s == 0 or self._hurry.is_set():
            return
        # Not wait_for: on Python 3.11 that loses a cancellation which comes with the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._hurry.wait()
