"""The registry of workers: departures, and workers that are forgotten."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.engine import PACE, EngineHarness, FakeWorker, engine_harness, outcome, task
from swarmd.domain.claim import Claim
from swarmd.domain.errors import WorkerConnected, WorkerNotFound
from swarmd.domain.model import WorkerName
from swarmd.domain.policy import MAX_INTERRUPTIONS
from swarmd.engine.reports import overview
from swarmd.engine.workers.reaper import FORGET_EVERY_S

DAY_S = 24 * 3_600


async def leave(swarm: EngineHarness, worker: FakeWorker, *held: Claim, incarnation: str = "") -> None:
    """Sends the last heartbeat of the worker, as its service does."""
    incarnation = incarnation or worker.server_side.identity.incarnation
    lease_ids = [claim.lease_id for claim in held]
    swarm.swarm.workers.heartbeat(worker.name, incarnation, lease_ids, leaving=True)
    leaving = partial(swarm.swarm.workers.leave, name=worker.name, incarnation=incarnation, held=lease_ids)
    await swarm.swarm.db.write(leaving)


async def listed(swarm: EngineHarness) -> dict[str, str]:
    engine = swarm.swarm
    views = await engine.db.read(
        lambda tx: overview.worker_views(tx, engine.live, engine.clock, engine.policy.pace)
    )
    return {view.identity.name: view.status.value for view in views}


async def test_a_worker_that_leaves_releases_the_claims_that_it_never_started_at_once(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"))
    leaver = await swarm.worker("leaver")
    await leaver.receive()
    other = await swarm.worker("other")

    await leave(swarm, leaver)

    assert (await other.claim("a")).number == 2
    assert (await swarm.task("a")).losses == 0


async def test_a_worker_that_leaves_keeps_the_leases_of_outcomes_that_it_could_not_deliver(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"), task("b"))
    leaver = await swarm.worker("leaver", slots=2)
    kept, ended = await leaver.claim("a"), await leaver.claim("b")
    for claim in (kept, ended):
        await leaver.start(claim)

    await leave(swarm, leaver, kept)

    assert await swarm.statuses("a", "b") == ["in_progress", "not_started"]
    assert (await swarm.task("b")).losses == 1


async def test_the_departure_of_a_replaced_process_ends_nothing(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker("w", incarnation="w-2")
    await worker.start(await worker.claim("a"))

    await leave(swarm, worker, incarnation="w-1")

    assert await swarm.status("a") == "in_progress"
    assert await listed(swarm) == {"w": "online"}


async def test_a_worker_that_left_is_listed_for_a_day_and_then_forgotten(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    for name in ("worked", "idle"):
        worker = await swarm.worker(name)
        if name == "worked":
            await worker.complete("a")
        await leave(swarm, worker)
    assert await listed(swarm) == {"worked": "gone", "idle": "gone"}

    swarm.clock.pass_s(DAY_S + 1)
    await swarm.swarm.check_leases()

    assert await listed(swarm) == {}
    rows = await swarm.swarm.db.read(lambda tx: tx._connection.execute("SELECT name FROM workers").fetchall())
    assert rows == [("worked",)], "its attempt still names it"
    worker = await swarm.worker("worked")
    assert await listed(swarm) == {"worked": "online"}


async def test_of_many_workers_that_left_the_latest_are_listed(swarm: EngineHarness) -> None:
    for number in range(overview.MAX_GONE + 3):
        await leave(swarm, await swarm.worker(f"w{number:04d}"))
        swarm.clock.pass_s(0.001)

    names = await listed(swarm)

    assert len(names) == overview.MAX_GONE
    assert "w0002" not in names


async def test_a_worker_that_never_comes_back_after_a_restart_is_lost_in_the_end(tmp_path: Path) -> None:
    clock = FakeClock()
    async with engine_harness(tmp_path / "swarm.db", clock=clock) as before:
        await before.worker("w")
    async with engine_harness(tmp_path / "swarm.db", clock=clock) as after:
        assert await listed(after) == {"w": "suspect"}

        clock.pass_s(max(PACE.lost_after_s, FORGET_EVERY_S) + 1)
        await after.swarm.check_leases()

        assert await listed(after) == {"w": "gone"}
        assert (await after.kinds())[-1] == "worker_lost"


async def test_a_worker_that_an_operator_forgets_frees_its_tasks(swarm: EngineHarness) -> None:
    await swarm.add(task("running"), task("claimed"))
    gone = await swarm.worker("gone", slots=2)
    assert await gone.start(await gone.claim("running")) is None
    await swarm.swarm.close_stream(gone.server_side)

    forgotten = await swarm.swarm.db.write(partial(swarm.swarm.workers.declare_gone, name=gone.name))

    assert [lease.task_id for lease in forgotten] == ["running", "claimed"]
    assert await listed(swarm) == {"gone": "gone"}
    await swarm.after_backoff()
    other = await swarm.worker("other", slots=2)
    assert (await other.claim("running")).number == 2
    assert (await swarm.task("running")).losses == 1


async def test_a_worker_that_is_heard_is_not_forgotten(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    assert await worker.start(await worker.claim("a")) is None

    with pytest.raises(WorkerConnected, match="is connected, so it is not gone"):
        await swarm.swarm.db.write(partial(swarm.swarm.workers.declare_gone, name=worker.name))
    with pytest.raises(WorkerNotFound):
        await swarm.swarm.db.write(partial(swarm.swarm.workers.declare_gone, name=WorkerName("nobody")))

    assert await swarm.status("a") == "in_progress"


async def test_a_late_result_of_a_forgotten_worker_counts_until_another_attempt_has_started(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"), task("b"))
    gone = await swarm.worker("gone", slots=2)
    claims = [await gone.claim(name) for name in ("a", "b")]
    for claim in claims:
        assert await gone.start(claim) is None
    await swarm.swarm.close_stream(gone.server_side)
    await swarm.swarm.db.write(partial(swarm.swarm.workers.declare_gone, name=gone.name))
    first = await gone.finish(claims[0], outcome("completed"))
    await swarm.after_backoff()
    other = await swarm.worker("other")
    assert await other.start(await other.claim("b")) is None

    second = await gone.finish(claims[1], outcome("completed"))

    assert (first.disposition, second.disposition) == ("accepted", "archived")


async def test_interrupted_attempts_cost_nothing_until_ten_in_a_row(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=0))
    worker = await swarm.worker()
    counts = []
    for _ in range(MAX_INTERRUPTIONS + 1):
        claim = await worker.claim("a")
        assert await worker.start(claim) is None
        await worker.finish(claim, replace(outcome("stopped"), interrupted=True))
        found = await swarm.task("a")
        counts.append((found.failures, found.losses))

    assert counts == [(0, 0)] * MAX_INTERRUPTIONS + [(0, 1)]
