"""Batched writes: items that wait at the same time share a write, and each caller waits for its own."""

import asyncio
import errno
import threading
from collections.abc import Sequence

import pytest

from support.waiting import eventually
from swarm_worker.storage.batched_writes import BatchedWrites


class Disk:
    """A disk that writes when it is allowed to, or fails."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.allowed = threading.Event()
        self.fault: Exception | None = None

    def write(self, items: Sequence[str]) -> None:
        self.calls.append(list(items))
        assert self.allowed.wait(60)
        if self.fault is not None:
            raise self.fault


async def test_items_added_during_a_write_share_the_next() -> None:
    disk = Disk()
    writes = BatchedWrites(disk.write)

    first = asyncio.create_task(writes.run("a"))
    await eventually(lambda: disk.calls, "the first call runs")
    others = [asyncio.create_task(writes.run(item)) for item in "bcd"]
    await asyncio.sleep(0)
    assert not first.done(), "a caller waits for the write of its own item"
    disk.allowed.set()
    await asyncio.gather(first, *others)

    assert disk.calls == [["a"], ["b", "c", "d"]]


@pytest.mark.parametrize("fault", [OSError("no space left"), ValueError("a fault of ours")])
async def test_the_error_of_a_write_reaches_all_callers_that_shared_it_and_no_other(fault: Exception) -> None:
    disk = Disk()
    disk.allowed.set()
    disk.fault = fault
    writes = BatchedWrites(disk.write)

    for error in await asyncio.gather(writes.run("a"), writes.run("b"), return_exceptions=True):
        assert error is fault

    disk.fault = None
    await writes.run("c")
    assert disk.calls == [["a", "b"], ["c"]]


async def test_a_cancelled_caller_does_not_block_the_others() -> None:
    disk = Disk()
    writes = BatchedWrites(disk.write)
    gone = asyncio.create_task(writes.run("a"))
    stays = asyncio.create_task(writes.run("b"))
    await eventually(lambda: disk.calls, "the call runs")

    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    disk.allowed.set()

    await stays


async def test_a_system_without_threads_fails_the_callers_and_blocks_no_later_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = Disk()
    disk.allowed.set()
    writes = BatchedWrites(disk.write)
    loop = asyncio.get_running_loop()

    def fail(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "run_in_executor", fail)
        for error in await asyncio.gather(writes.run("a"), writes.run("b"), return_exceptions=True):
            assert isinstance(error, OSError)

    await writes.run("c")
    assert disk.calls == [["c"]]
