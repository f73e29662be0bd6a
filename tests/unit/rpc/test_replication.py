"""The stream to a standby calls a copy complete only when it is."""

import asyncio
import threading
from pathlib import Path

import pytest

from support.engine import engine_harness, task
from swarmd.rpc import replication
from swarmd.store.replication import Replication


async def test_a_base_with_a_commit_that_has_not_reached_the_followers_is_not_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, waiting = threading.Event(), threading.Event()
    publish = Replication.publish

    def late(self: Replication) -> int:
        waiting.set()
        assert gate.wait(30)
        return publish(self)

    async with engine_harness(tmp_path / "swarm.db") as engine:
        answers = replication.follow(engine.swarm)
        assert (await anext(answers)).begin.follow_id
        monkeypatch.setattr(Replication, "publish", late)
        adding = asyncio.create_task(engine.add(task("a")))
        assert await asyncio.to_thread(waiting.wait, 30)
        answer = await anext(answers)
        base = b""
        while answer.WhichOneof("part") == "base":
            base += answer.base
            more = asyncio.ensure_future(anext(answers))
            if not (await asyncio.wait([more], timeout=0.2))[0]:
                gate.set()
            answer = await more
        await adding

        assert b"SQLite format 3" in base
        assert answer.base_end.complete > answer.base_end.position
        assert (await anext(answers)).position >= answer.base_end.complete
        await answers.aclose()
