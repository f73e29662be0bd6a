"""One blocking call at a time, in a thread; what comes meanwhile shares the next. Its one rule: nobody waits for
more than the call that has their own item in it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class BatchedWrites(Generic[Item]):
    """Makes a call for all items that wait."""

    def __init__(self, call: Callable[[Sequence[Item]], None]) -> None:
        self._call = call
        self._waiting: list[tuple[Item, asyncio.Future[None]]] = []
        self._calling: asyncio.Task[None] | None = None

    async def do(self, item: Item) -> None:
        """Returns when the call for it has; raises what that did."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._calling is None:
            self._calling = asyncio.create_task(self._run())
        await done

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            call = asyncio.get_running_loop().run_in_executor(None, self._call, [item for item, _ in batch])
            await asyncio.wait((call,))
            error = call.exception()  # whatever it is, it is for those who wait
            for _, done in batch:
                if done.done():  # whoever asked has gone
                    continue
                done.set_result(None) if error is None else done.set_exception(error)
        self._calling = None
