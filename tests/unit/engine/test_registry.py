"""The registry of workers: departures, and workers that are forgotten."""

from functools import partial
from pathlib import Path

from support.clock import FakeClock
from support.engine import PACE, EngineHarness, FakeWorker, engine_harness, task
from swarmd.domain.claim import Claim
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
