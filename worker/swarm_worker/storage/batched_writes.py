"""Group commit of blocking writes: one write at a time, in a thread; the items that wait meanwhile share the next.

Invariant: a caller waits for no write after the one that holds its own item, and every caller gets an answer, even
if the system has no thread or descriptor for the write.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class BatchedWrites(Generic[Item]):
    """A queue that passes all waiting items to one call of a blocking function."""

    def __init__(self, write: Callable[[Sequence[Item]], None]) -> None:
        self._write = write
        self._waiting: list[tuple[Item, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def run(self, item: Item) -> None:
        """Returns when the item is written; raises the error of the write that held the item."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        await done

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                error = await self._write_batch([item for item, _ in batch])
                for _, done in batch:
                    if done.done():  # the caller was cancelled
                        continue
                    done.set_result(None) if error is None else done.set_exception(error)
        finally:
            self._writing = None

    async def _write_batch(self, items: Sequence[Item]) -> BaseException | None:
        """Writes the items in a thread; returns the error, which the callers handle."""
        try:
            write = asyncio.get_running_loop().run_in_executor(None, self._write, items)
        except Exception as error:  # noqa: BLE001  # no thread, no descriptor: the callers must not wait forever
            return error
        await asyncio.wait((write,))
        return write.exception()
