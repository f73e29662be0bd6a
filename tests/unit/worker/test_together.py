"""Items that wait at the same time share a blocking call, and each waits for its own."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from support.waiting import eventually
from swarm_worker.storage.batched_writes import BatchedWrites


class Disk:
    """Takes items down once it may, or fails."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.may = threading.Event()
        self.fault: Exception | None = None

    def put(self, items: Sequence[str]) -> None:
        self.calls.append(list(items))
        assert self.may.wait(60)
        if self.fault is not None:
            raise self.fault


async def test_what_comes_during_a_call_shares_the_next() -> None:
    disk = Disk()
    together = BatchedWrites(disk.put)

    first = asyncio.create_task(together.do("a"))
    await eventually(lambda: disk.calls, "the first call runs")
    others = [asyncio.create_task(together.do(item)) for item in "bcd"]
    await asyncio.sleep(0)
    assert not first.done(), "nobody goes on before the own call has returned"
    disk.may.set()
    await asyncio.gather(first, *others)

    assert disk.calls == [["a"], ["b", "c", "d"]]


@pytest.mark.parametrize("fault", [OSError("no space left"), ValueError("a fault of ours")])
async def test_a_call_that_fails_is_told_to_all_who_shared_it_and_to_no_other(fault: Exception) -> None:
    disk = Disk()
    disk.may.set()
    disk.fault = fault
    together = BatchedWrites(disk.put)

    for said in await asyncio.gather(together.do("a"), together.do("b"), return_exceptions=True):
        assert said is fault

    disk.fault = None
    await together.do("c")
    assert disk.calls == [["a", "b"], ["c"]]


async def test_whoever_has_gone_keeps_no_other_waiting() -> None:
    disk = Disk()
    together = BatchedWrites(disk.put)
    gone = asyncio.create_task(together.do("a"))
    stays = asyncio.create_task(together.do("b"))
    await eventually(lambda: disk.calls, "the call runs")

    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    disk.may.set()

    await stays
