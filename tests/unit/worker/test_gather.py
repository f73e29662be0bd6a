"""One call in flight, what waits goes with the next, and nothing asked for is lost."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from amplifier_swarm.exits import ExitCode, ProgramExit
from support.waiting import eventually
from swarm_worker.rpc.batcher import Batcher, ItemRefused
from swarm_worker.rpc.retry import OutageLog, RetryBackoff


def _error(code: grpc.StatusCode) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(), "said so")


class Server:
    """Answers each item with itself; notes what each call brought; can be held and can fail."""

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
async def _running(gather: Batcher[str, str]) -> AsyncIterator[asyncio.Task[None]]:
    task: asyncio.Task[None] = asyncio.create_task(gather.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _gather(
    server: Server, *, bound: int | None = None, linger_s: float = 0.0, pause_s: float = 0.0
) -> Batcher[str, str]:
    return Batcher(
        "Test", server.send, link=OutageLog("here:1"), weigh=len, cap_s=0.01, bound=bound, linger_s=linger_s,
        pause_s=pause_s,
    )  # fmt: skip


@asynccontextmanager
async def _pausing() -> AsyncIterator[tuple[Server, Batcher[str, str]]]:
    """A gather that has just sent "a", and pauses until somebody is in a hurry."""
    server = Server()
    gather = _gather(server, pause_s=600)
    async with _running(gather):
        gather.put("a")
        await eventually(lambda: server.calls, "the first call goes at once")
        yield server, gather


async def test_what_waits_during_a_call_goes_with_the_next_in_order() -> None:
    server = Server()
    server.open.clear()
    gather = _gather(server)

    async with _running(gather):
        first = asyncio.create_task(gather.ask("a"))
        await eventually(lambda: server.calls, "the first call")
        rest = [asyncio.create_task(gather.ask(item)) for item in "bcd"]
        await asyncio.sleep(0)
        server.open.set()
        answers = await asyncio.gather(first, *rest)

    assert server.calls == [["a"], ["b", "c", "d"]]
    assert answers == [f"answer to {item}" for item in "abcd"]


async def test_a_call_that_fails_is_repeated_with_what_came_meanwhile() -> None:
    server = Server()
    server.faults = [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    ]
    gather = _gather(server)

    async with _running(gather):
        answers = await asyncio.gather(gather.ask("a"), gather.ask("b"))

    assert list(answers) == ["answer to a", "answer to b"]
    assert server.calls == [["a", "b"]] * 4


async def test_one_refused_item_does_not_hold_up_the_others() -> None:
    server = Server()
    server.poison = "bad"
    gather = _gather(server)

    async with _running(gather):
        answers = await asyncio.gather(*map(gather.ask, ("a", "bad", "b")), return_exceptions=True)

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
    gather = _gather(server)
    gather.put("a")

    with pytest.raises(ProgramExit) as ended:
        await gather.run()

    assert ended.value.code is end


async def test_an_item_that_nobody_waits_for_any_more_is_not_sent() -> None:
    server = Server()
    server.open.clear()
    gather = _gather(server)

    async with _running(gather):
        first = asyncio.create_task(gather.ask("a"))
        await eventually(lambda: server.calls, "the first call")
        forgotten = asyncio.create_task(gather.ask("b"))
        await asyncio.sleep(0)
        forgotten.cancel()
        await asyncio.gather(forgotten, return_exceptions=True)
        last = asyncio.create_task(gather.ask("c"))
        await asyncio.sleep(0)
        server.open.set()
        await asyncio.gather(first, last)

    assert server.calls == [["a"], ["c"]]


async def test_a_bounded_queue_drops_the_oldest_also_what_a_failed_call_puts_back() -> None:
    server = Server()
    server.open.clear()
    server.faults = [grpc.StatusCode.UNAVAILABLE]
    gather = _gather(server, bound=3)
    gather.put("a")

    async with _running(gather):
        await eventually(lambda: server.calls, "the first call")
        for item in "bcde":
            gather.put(item)
        server.open.set()
        await gather.flush(5)

    assert server.calls == [["a"], ["c", "d", "e"]]


async def test_calls_pause_but_a_flush_does_not_wait_for_that() -> None:
    async with _pausing() as (server, gather):
        gather.put("b")
        gather.put("c")
        await gather.flush(5)

    assert server.calls == [["a"], ["b", "c"]]


async def test_an_item_waits_for_company_but_not_in_a_flush() -> None:
    server = Server()
    gather = _gather(server, linger_s=600)

    async with _running(gather):
        gather.put("a")
        for _ in range(10):
            await asyncio.sleep(0)
        gather.put("b")
        await gather.flush(5)

    assert server.calls == [["a", "b"]]


async def test_a_flush_gives_up_when_the_server_does_not_answer() -> None:
    server = Server()
    server.open.clear()
    gather = _gather(server)

    async with _running(gather):
        gather.put("a")
        await gather.flush(0.05)

    assert server.calls == [["a"]]


async def test_what_waits_goes_with_another_call() -> None:
    async with _pausing() as (server, gather):
        gather.put("b")
        gather.put("c")
        async with gather.withdrawn(5) as items:
            assert items == ["b", "c"]
        await gather.flush(5)

    assert server.calls == [["a"]]


async def test_what_could_not_go_with_another_call_goes_by_itself_before_what_came_later() -> None:
    async with _pausing() as (server, gather):

        async def fails() -> None:
            async with gather.withdrawn(5):
                gather.put("c")
                raise _error(grpc.StatusCode.UNAVAILABLE)

        gather.put("b")
        with pytest.raises(AioRpcError):
            await fails()
        await gather.flush(5)

    assert server.calls == [["a"], ["b", "c"]]


@pytest.mark.parametrize("answers", [True, False])
async def test_another_call_waits_for_the_one_under_way_but_not_for_ever(*, answers: bool) -> None:
    server = Server()
    server.open.clear()
    gather = _gather(server)

    async def withdraw() -> list[str]:
        async with gather.withdrawn(5 if answers else 0.01) as items:
            return list(items)

    async with _running(gather):
        gather.put("a")
        await eventually(lambda: server.calls, "the first call is under way")
        gather.put("b")
        withdrawing = asyncio.create_task(withdraw())
        if answers:
            for _ in range(10):
                await asyncio.sleep(0)
            assert not withdrawing.done()
            server.open.set()
        assert await withdrawing == ["b"]


async def test_what_is_too_much_for_another_call_goes_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm_worker.rpc.batcher.BYTES", 10)
    server = Server()
    gather = _gather(server)
    for item in ("a" * 6, "b" * 6, "c"):
        gather.put(item)

    async with _running(gather), gather.withdrawn(5) as items:
        assert items == []

    assert server.calls == [["a" * 6, "b" * 6], ["c"]]


async def test_a_call_stays_within_what_a_message_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm_worker.rpc.batcher.ITEMS", 3)
    monkeypatch.setattr("swarm_worker.rpc.batcher.BYTES", 10)
    server = Server()
    gather = _gather(server)
    for item in ("1", "2", "3", "4", "x" * 50, "y" * 9, "z", "5"):
        gather.put(item)

    async with _running(gather):
        await gather.flush(5)

    assert server.calls == [["1", "2", "3"], ["4", "x" * 50], ["y" * 9, "z"], ["5"]]


def test_backoff_grows_to_its_cap_with_full_jitter() -> None:
    backoff = RetryBackoff(cap_s=5)
    bounds = [0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5]

    assert all(0 <= backoff.next_s() <= bound for bound in bounds)
    backoff.reset()
    assert backoff.next_s() <= 0.2
