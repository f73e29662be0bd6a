"""The broadcaster without a network: queues of subscribers, overflow, resume."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.engine import EngineHarness, task
from swarmd.web.live.broadcaster import Broadcaster
from swarmd.web.live.subscriber import Subscriber
from swarmd.wire.reads import Reads

PATIENCE_S = 30.0


@contextlib.asynccontextmanager
async def broadcasting(bench: EngineHarness) -> AsyncIterator[Broadcaster]:
    broadcaster = Broadcaster(bench.swarm, Reads(bench.swarm, started_us=0))
    running = asyncio.create_task(broadcaster.run())
    yield broadcaster
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def frame(subscriber: Subscriber) -> Any:
    return json.loads(await asyncio.wait_for(subscriber.next_frame(), PATIENCE_S))


async def change(subscriber: Subscriber) -> Any:
    """Returns the next frame that is not a keepalive."""
    while (found := await frame(subscriber))["type"] == "pulse":
        pass
    return found


@pytest.mark.slow
async def test_a_subscriber_that_overflows_loses_its_queue_and_gets_a_new_snapshot_when_ready(
    swarm: EngineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmd.web.live.subscriber.MAX_CHARS", 3_000)

    async with broadcasting(swarm) as broadcaster:
        slow, quick = broadcaster.subscribe(None), broadcaster.subscribe(None)
        assert (await frame(slow))["type"] == (await frame(quick))["type"] == "snapshot"
        for number in range(4):
            await swarm.add(task(f"t{number}", name="x" * 400))
            assert (await change(quick))["tasks"][0]["id"] == f"t{number}"
        assert slow.overflowed

        resync, snapshot = await change(slow), await change(slow)
        await swarm.add(task("later"))
        delta = await change(slow)

    assert resync == {"type": "resync", "reason": "you fell behind"}
    assert (snapshot["type"], snapshot["status"]["total"]) == ("snapshot", 4)
    assert (delta["from"], [found["id"] for found in delta["tasks"]]) == (snapshot["seq"], ["later"])


async def test_a_subscriber_that_joins_late_reaches_the_position_of_the_others(swarm: EngineHarness) -> None:
    async with broadcasting(swarm) as broadcaster:
        first = broadcaster.subscribe(None)
        await frame(first)
        await swarm.add(task("a"))
        seen = await change(first)
        second, third = broadcaster.subscribe(None), broadcaster.subscribe(0)
        snapshot, caught_up = await frame(second), await frame(third)
        await swarm.add(task("b"))
        deltas = [await change(subscriber) for subscriber in (first, second, third)]

    assert snapshot["seq"] == caught_up["to"] == seen["to"]
    assert [event["seq"] for event in caught_up["events"]] == list(range(1, seen["to"] + 1))
    assert {(delta["from"], delta["to"]) for delta in deltas} == {(seen["to"], seen["to"] + 1)}


async def test_a_large_frame_in_an_empty_queue_is_not_an_overflow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("swarmd.web.live.subscriber.MAX_CHARS", 10)
    subscriber = Subscriber(None, lambda: None)
    subscriber.start("a long snapshot", "another")

    assert [await subscriber.next_frame(), await subscriber.next_frame()] == ["a long snapshot", "another"]
    subscriber.push("a long delta")
    assert not subscriber.overflowed
    subscriber.push("a frame too many")
    assert subscriber.overflowed
