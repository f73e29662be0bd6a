"""Regression of chaos seed 1: a worker whose fence had expired asked for the go, started, and was ended by the fence.

So it used up all losses of a task within a quarter of a second.
"""

from pathlib import Path

import grpc
import pytest

from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from fakes.swarm_server import WorkerProcess, claim, fake_swarm

STAYS = '[ "$SWARM_TASK_ID" = quick ] || exec sleep 600'


@pytest.mark.slow
async def test_a_worker_without_answers_asks_for_no_go_until_one_arrives(tmp_path: Path) -> None:
    asked: list[tuple[str, bool]] = []
    async with fake_swarm() as address:
        fake = address.fake
        fake.stop_after_s = 0.5

        def go(record: wire.SessionRecord) -> wire.SessionAnswer:
            asked.append((record.lease_id, "Heartbeat" in fake.failing))
            return wire.SessionAnswer(go=True)

        fake.go = go
        worker = WorkerProcess(tmp_path, address.text)
        try:
            worker.start("--slots", "2", builder=worker.script("b.sh", STAYS))
            await worker.until(lambda: fake.registered, what="it registers")
            fake.send(claims=[claim("long")])
            await worker.until(lambda: asked, what="its session has the go")
            fake.failing["Heartbeat"] = grpc.StatusCode.UNAVAILABLE
            await worker.until(lambda: "long" in fake.outcomes, what="its right has run out")

            fake.send(claims=[claim("quick")])
            await worker.until(lambda: "task=quick" in worker.err, what="it has the claim")
            fake.failing.clear()

            await worker.until(lambda: "quick" in fake.outcomes, what="the task is done")
        finally:
            worker.end()
    assert fake.outcomes["long"].kind == task_pb2.OUTCOME_KIND_STOPPED
    assert fake.outcomes["quick"].kind == task_pb2.OUTCOME_KIND_COMPLETED
    assert asked == [("long", False), ("quick", False)]
