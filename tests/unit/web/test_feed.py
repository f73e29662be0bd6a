"""The feed without a network: what a viewer has waiting, and what becomes of one who falls behind."""

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
async def feeding(bench: EngineHarness) -> AsyncIterator[Broadcaster]:
    stream = Broadcaster(bench.swarm, Reads(bench.swarm, started_us=0))
    running = asyncio.create_task(stream.run())
    yield stream
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def frame(viewer: Subscriber) -> Any:
    return json.loads(await asyncio.wait_for(viewer.next(), PATIENCE_S))


async def change(viewer: Subscriber) -> Any:
    """The next frame that is no pulse."""
    while (found := await frame(viewer))["type"] == "pulse":
        pass
    return found


async def test_who_falls_behind_loses_all_that_waits_and_begins_anew_when_ready(
    swarm: EngineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmd.web.live.subscriber.MAX_CHARS", 3_000)

    async with feeding(swarm) as stream:
        slow, quick = stream.join(None), stream.join(None)
        assert (await frame(slow))["type"] == (await frame(quick))["type"] == "snapshot"
        for number in range(4):
            await swarm.add(task(f"t{number}", name="x" * 400))
            assert (await change(quick))["tasks"][0]["id"] == f"t{number}"
        assert slow.fell_behind

        resync, snapshot = await change(slow), await change(slow)
        await swarm.add(task("later"))
        delta = await change(slow)

    assert resync == {"type": "resync", "reason": "you fell behind"}
    assert (snapshot["type"], snapshot["status"]["total"]) == ("snapshot", 4)
    assert (delta["from"], [one["id"] for one in delta["tasks"]]) == (snapshot["seq"], ["later"])


async def test_one_who_comes_while_others_follow_is_led_to_where_they_are(swarm: EngineHarness) -> None:
    async with feeding(swarm) as stream:
        first = stream.join(None)
        await frame(first)
        await swarm.add(task("a"))
        seen = await change(first)
        second, third = stream.join(None), stream.join(0)
        snapshot, caught_up = await frame(second), await frame(third)
        await swarm.add(task("b"))
        deltas = [await change(viewer) for viewer in (first, second, third)]

    assert snapshot["seq"] == caught_up["to"] == seen["to"]
    assert [event["seq"] for event in caught_up["events"]] == list(range(1, seen["to"] + 1))
    assert {(delta["from"], delta["to"]) for delta in deltas} == {(seen["to"], seen["to"] + 1)}


async def test_a_large_frame_for_one_who_has_nothing_waiting_is_no_falling_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("swarmd.web.live.subscriber.MAX_CHARS", 10)
    viewer = Subscriber(None, lambda: None)
    viewer.begin("a long snapshot", "another")

    assert [await viewer.next(), await viewer.next()] == ["a long snapshot", "another"]
    viewer.put("a long delta")
    assert not viewer.fell_behind
    viewer.put("one too many")
    assert viewer.fell_behind
