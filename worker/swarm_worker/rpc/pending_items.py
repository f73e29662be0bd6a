"""The queue of items that wait to be sent, cut into batches that fit into one message."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# The most that the server takes in one message, well below the limit of the channel.
ITEMS: Final = 1024
BYTES: Final = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PendingItem(Generic[Item, Answer]):
    """An item with the future of its answer; None if nobody needs the answer."""

    item: Item
    answer: asyncio.Future[Answer] | None

    @property
    def abandoned(self) -> bool:
        """True if the caller asked for an answer and no longer waits."""
        return self.answer is not None and self.answer.done()


class PendingItems(Generic[Item, Answer]):
    """A queue of items; with a bound, the oldest item is dropped when the queue is full."""

    def __init__(self, *, size_of: Callable[[Item], int], bound: int | None) -> None:
        self._size_of = size_of
        self._bound = bound
        self._queue: deque[PendingItem[Item, Answer]] = deque(maxlen=bound)
        self._one_by_one = 0

    def __len__(self) -> int:
        return len(self._queue)

    def append(self, pending: PendingItem[Item, Answer]) -> None:
        """Adds an item behind all others."""
        self._queue.append(pending)

    def requeue(self, batch: Sequence[PendingItem[Item, Answer]]) -> None:
        """Puts the items of a failed batch back, before all others."""
        self._queue = deque([*batch, *self._queue], maxlen=self._bound)

    def requeue_one_by_one(self, batch: Sequence[PendingItem[Item, Answer]]) -> None:
        """Puts a refused batch back to be sent one item at a time, which finds the item at fault."""
        self.requeue(batch)
        self._one_by_one = len(batch)

    def next_batch(self) -> list[PendingItem[Item, Answer]]:
        """Removes and returns the items of the next message, without the abandoned ones; may be empty."""
        batch: list[PendingItem[Item, Answer]] = []
        limit, room = (1 if self._one_by_one else ITEMS), BYTES
        while self._queue and len(batch) < limit and (room > 0 or not batch):
            pending = self._queue.popleft()
            if not pending.abandoned:
                batch.append(pending)
                room -= self._size_of(pending.item)
        self._one_by_one = max(0, self._one_by_one - 1)
        return batch

    @property
    def fit_one_message(self) -> bool:
        """True if one message holds all items."""
        return len(self._queue) <= ITEMS and sum(self._size_of(each.item) for each in self._queue) <= BYTES
