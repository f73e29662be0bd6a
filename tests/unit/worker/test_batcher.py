"""The batcher: one call in flight, waiting items share the next call, and no request is lost."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from amplifier_swarm.exits import ExitCode, ProgramExit
from support.waiting import eventually
from swarm_worker.rpc.batcher import Batcher, BatchLimits, ItemRefused
from swarm_worker.rpc.retry import CallRetry, OutageLog, RetryBackoff


def _error(code: grpc.StatusCode) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(), "said so")


class Server:
    """A server that echoes each item and records its calls; it can block and fail."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.faults: list[grpc.StatusCode] = []
        self.poison = ""

    async def send(self, items: Sequence[str]) -> Sequence[str]:
        self.calls.append(list(items))
        await self.open.wait()
        if self.faults:
            raise _error(self.faults.pop(0))
        if self.poison in items:
            raise _error(grpc.StatusCode.INVALID_ARGUMENT)
        return [f"answer to {item}" for item in items]


@asynccontextmanager
async def _running(batcher: Batcher[str, str]) -> AsyncIterator[asyncio.Task[None]]:
    task: asyncio.Task[None] = asyncio.create_task(batcher.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _batcher(server: Server, **limits: Any) -> Batcher[str, str]:
    retry = CallRetry("Test", OutageLog("here:1"), cap_s=0.01)
    return Batcher(server.send, retry=retry, size_of=len, limits=BatchLimits(**limits))


@asynccontextmanager
async def _pausing() -> AsyncIterator[tuple[Server, Batcher[str, str]]]:
    """Yields a batcher that has sent "a" and pauses until a flush."""
    server = Server()
    batcher = _batcher(server, pause_s=600)
    async with _running(batcher):
        batcher.enqueue("a")
        await eventually(lambda: server.calls, "the first call goes at once")
        yield server, batcher


async def test_items_that_wait_during_a_call_share_the_next_in_order() -> None:
    server = Server()
    server.open.clear()
    batcher = _batcher(server)

    async with _running(batcher):
        first = asyncio.create_task(batcher.request("a"))
        await eventually(lambda: server.calls, "the first call")
        rest = [asyncio.create_task(batcher.request(item)) for item in "bcd"]
        await asyncio.sleep(0)
        server.open.set()
        answers = await asyncio.gather(first, *rest)

    assert server.calls == [["a"], ["b", "c", "d"]]
    assert answers == [f"answer to {item}" for item in "abcd"]


async def test_a_failed_call_is_repeated_with_the_items_added_meanwhile() -> None:
    server = Server()
    server.faults = [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    ]
    batcher = _batcher(server)

    async with _running(batcher):
        answers = await asyncio.gather(batcher.request("a"), batcher.request("b"))

    assert list(answers) == ["answer to a", "answer to b"]
    assert server.calls == [["a", "b"]] * 4


async def test_one_refused_item_does_not_delay_the_others() -> None:
    server = Server()
    server.poison = "bad"
    batcher = _batcher(server)

    async with _running(batcher):
        answers = await asyncio.gather(*map(batcher.request, ("a", "bad", "b")), return_exceptions=True)

    assert answers[0] == "answer to a"
    assert isinstance(answers[1], ItemRefused)
    assert answers[2] == "answer to b"


@pytest.mark.parametrize(
    ("code", "end"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, ExitCode.UNAUTHENTICATED),
        (grpc.StatusCode.PERMISSION_DENIED, ExitCode.DENIED),
    ],
)
async def test_a_token_that_is_not_accepted_ends_the_loop(code: grpc.StatusCode, end: ExitCode) -> None:
    server = Server()
    server.faults = [code]
    batcher = _batcher(server)
    batcher.enqueue("a")

    with pytest.raises(ProgramExit) as ended:
        await batcher.run()

    assert ended.value.code is end


async def test_an_abandoned_item_is_not_sent() -> None:
    server = Server()
    server.open.clear()
    batcher = _batcher(server)

    async with _running(batcher):
        first = asyncio.create_task(batcher.request("a"))
        await eventually(lambda: server.calls, "the first call")
        abandoned = asyncio.create_task(batcher.request("b"))
        await asyncio.sleep(0)
        abandoned.cancel()
        await asyncio.gather(abandoned, return_exceptions=True)
        last = asyncio.create_task(batcher.request("c"))
        await asyncio.sleep(0)
        server.open.set()
        await asyncio.gather(first, last)

    assert server.calls == [["a"], ["c"]]


async def test_a_bounded_queue_drops_the_oldest_items_also_those_that_a_failed_call_requeues() -> None:
    server = Server()
    server.open.clear()
    server.faults = [grpc.StatusCode.UNAVAILABLE]
    batcher = _batcher(server, bound=3)
    batcher.enqueue("a")

    async with _running(batcher):
        await eventually(lambda: server.calls, "the first call")
        for item in "bcde":
            batcher.enqueue(item)
        server.open.set()
        await batcher.flush(5)

    assert server.calls == [["a"], ["c", "d", "e"]]


async def test_a_flush_does_not_wait_for_the_pause_between_calls() -> None:
    async with _pausing() as (server, batcher):
        batcher.enqueue("b")
        batcher.enqueue("c")
        await batcher.flush(5)

    assert server.calls == [["a"], ["b", "c"]]


async def test_an_item_lingers_for_others_but_not_in_a_flush() -> None:
    server = Server()
    batcher = _batcher(server, linger_s=600)

    async with _running(batcher):
        batcher.enqueue("a")
        for _ in range(10):
            await asyncio.sleep(0)
        batcher.enqueue("b")
        await batcher.flush(5)

    assert server.calls == [["a", "b"]]


async def test_a_flush_gives_up_when_the_server_does_not_answer() -> None:
    server = Server()
    server.open.clear()
    batcher = _batcher(server)

    async with _running(batcher):
        batcher.enqueue("a")
        await batcher.flush(0.05)

    assert server.calls == [["a"]]


async def test_waiting_items_piggyback_on_another_call() -> None:
    async with _pausing() as (server, batcher):
        batcher.enqueue("b")
        batcher.enqueue("c")
        async with batcher.piggyback(5) as items:
            assert items == ["b", "c"]
        await batcher.flush(5)

    assert server.calls == [["a"]]


async def test_items_whose_piggyback_failed_are_sent_before_later_items() -> None:
    async with _pausing() as (server, batcher):

        async def fails() -> None:
            async with batcher.piggyback(5):
                batcher.enqueue("c")
                raise _error(grpc.StatusCode.UNAVAILABLE)

        batcher.enqueue("b")
        with pytest.raises(AioRpcError):
            await fails()
        await batcher.flush(5)

    assert server.calls == [["a"], ["b", "c"]]


@pytest.mark.parametrize("answers", [True, False])
async def test_a_piggyback_waits_for_the_call_in_flight_but_not_forever(*, answers: bool) -> None:
    server = Server()
    server.open.clear()
    batcher = _batcher(server)

    async def piggyback() -> list[str]:
        async with batcher.piggyback(5 if answers else 0.01) as items:
            return list(items)

    async with _running(batcher):
        batcher.enqueue("a")
        await eventually(lambda: server.calls, "the first call is under way")
        batcher.enqueue("b")
        piggybacking = asyncio.create_task(piggyback())
        if answers:
            for _ in range(10):
                await asyncio.sleep(0)
            assert not piggybacking.done()
            server.open.set()
        assert await piggybacking == ["b"]


async def test_items_that_are_too_many_for_a_piggyback_are_sent_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("swarm_worker.rpc.pending_items.BYTES", 10)
    server = Server()
    batcher = _batcher(server)
    for item in ("a" * 6, "b" * 6, "c"):
        batcher.enqueue(item)

    async with _running(batcher), batcher.piggyback(5) as items:
        assert items == []

    assert server.calls == [["a" * 6, "b" * 6], ["c"]]


async def test_a_call_stays_within_the_limits_of_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm_worker.rpc.pending_items.ITEMS", 3)
    monkeypatch.setattr("swarm_worker.rpc.pending_items.BYTES", 10)
    server = Server()
    batcher = _batcher(server)
    for item in ("1", "2", "3", "4", "x" * 50, "y" * 9, "z", "5"):
        batcher.enqueue(item)

    async with _running(batcher):
        await batcher.flush(5)

    assert server.calls == [["1", "2", "3"], ["4", "x" * 50], ["y" * 9, "z"], ["5"]]


def test_backoff_grows_to_its_cap_with_full_jitter() -> None:
    backoff = RetryBackoff(cap_s=5)
    bounds = [0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5]

    assert all(0 <= backoff.next_s() <= bound for bound in bounds)
    backoff.reset()
    assert backoff.next_s() <= 0.2
