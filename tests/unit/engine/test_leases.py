"""Leases, silence and late results: no task runs twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.engine import EngineHarness, FakeWorker, engine_harness, outcome, task
from swarmd.domain.errors import WorkerNameTaken
from swarmd.domain.model import LeaseId


async def test_the_same_outcome_twice_gets_the_same_answer_and_changes_nothing(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    result = outcome("completed")

    first = await worker.finish(claim, result)
    before = await swarm.events()
    second = await worker.finish(claim, result)

    assert first == second
    assert await swarm.events() == before


async def test_d7_a_stale_worker_neither_takes_the_task_from_its_new_owner_nor_ends_it(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"))
    old = await swarm.worker("old")
    stale = await old.claim("a")
    await old.start(stale)
    swarm.clock.pass_s(10)
    await swarm.swarm.check_leases()
    for _ in range(200):
        swarm.clock.pass_s(10)
        await swarm.swarm.check_leases()
    await swarm.after_backoff()
    new = await swarm.worker("new")
    fresh = await new.claim("a")
    await new.start(fresh)

    failed = await old.finish(stale, outcome("failed", failure="agent_error"))
    completed = await old.finish(stale, outcome("completed"))

    assert [failed.disposition, completed.disposition] == ["archived", "archived"]
    found = await swarm.task("a")
    assert (found.status, found.attempt, found.failures) == ("in_progress", 2, 0)
    assert (await swarm.kinds("a")).count("result_archived") == 2
    assert (await new.finish(fresh, outcome("completed"))).status == "completed"


async def test_d7_a_lease_of_another_worker_is_worth_nothing(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    owner, thief = await swarm.worker("owner"), await swarm.worker("thief")
    claim = await owner.claim("a")
    await owner.start(claim)

    result = await thief.finish(claim, outcome("completed"))
    forgery = replace(claim, lease_id=LeaseId(claim.lease_id[:-1] + "0"))
    forged = await owner.finish(forgery, outcome("completed"))

    assert [result.disposition, forged.disposition] == ["unknown", "unknown"]
    assert await swarm.status("a") == "in_progress"


async def test_d6_a_task_is_never_lost_by_age_as_long_as_its_worker_beats(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)

    for _ in range(11_000):  # thirty hours
        swarm.clock.pass_s(10)
        assert worker.beat(claim) == []
        if _ % 100 == 0:
            await swarm.swarm.check_leases()

    await swarm.swarm.check_leases()
    assert await swarm.status("a") == "in_progress"
    assert "worker_suspect" not in await swarm.kinds()


async def test_silence_makes_a_worker_suspect_and_only_long_silence_loses_its_task(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"), task("b"))
    worker = await swarm.worker(slots=2)
    await worker.start(await worker.claim("a"))
    for _ in range(4):
        swarm.clock.pass_s(10)
        await swarm.swarm.check_leases()

    assert await swarm.statuses("a", "b") == ["in_progress", "not_started"], "an unstarted claim is free"
    assert "worker_suspect" in await swarm.kinds()
    for _ in range(180):
        swarm.clock.pass_s(10)
        await swarm.swarm.check_leases()
    assert await swarm.status("a") == "not_started"
    assert "worker_lost" in await swarm.kinds()


async def test_a_suspect_worker_is_given_nothing_until_it_is_heard_again(swarm: EngineHarness) -> None:
    worker = await swarm.worker()
    for _ in range(4):
        swarm.clock.pass_s(10)
        await swarm.swarm.check_leases()

    await swarm.add(task("a"))

    assert await swarm.status("a") == "not_started"
    worker.beat()
    await swarm.drain_writes()
    assert await swarm.status("a") == "claimed"


async def test_a_stall_of_the_server_itself_counts_for_nobody(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    await worker.start(await worker.claim("a"))
    await swarm.swarm.check_leases()

    swarm.clock.pass_s(6 * 3600)
    await swarm.swarm.check_leases()

    assert await swarm.status("a") == "in_progress"


async def test_a_new_process_of_the_same_instance_proves_the_old_sessions_dead(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    await worker.start(await worker.claim("a"))

    await swarm.worker(incarnation="second-life")

    assert await swarm.status("a") == "not_started"
    assert (await swarm.task("a")).losses == 1


async def test_a_reconnect_of_the_same_process_keeps_what_it_lists_and_frees_what_it_never_got(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"), task("b"))
    worker = await swarm.worker(slots=2)
    claim = await worker.claim("a")
    await worker.start(claim)

    again = await swarm.worker(slots=2, held=[claim.lease_id])

    assert await swarm.status("a") == "in_progress"
    found = await again.claim("b")
    assert found.number == 2
    assert worker.server_side.mailbox.closed


async def test_a_name_is_not_given_away_while_its_owner_may_be_alive(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker("w")
    await worker.start(await worker.claim("a"))

    with pytest.raises(WorkerNameTaken, match="give this one another --name"):
        await swarm.worker("w", instance="another machine", incarnation="x")

    await swarm.swarm.close_stream(worker.server_side)
    with pytest.raises(WorkerNameTaken):
        await swarm.worker("w", instance="another machine", incarnation="x")
    assert await swarm.status("a") == "in_progress"


async def test_a_restart_of_the_server_gives_every_lease_a_full_fresh_deadline(tmp_path: Path) -> None:
    clock = FakeClock()
    async with engine_harness(tmp_path / "swarm.db", clock=clock) as before:
        await before.add(task("a"))
        worker = await before.worker()
        claim = await worker.claim("a")
        await worker.start(claim)
    clock.pass_s(6 * 3600)

    async with engine_harness(tmp_path / "swarm.db", clock=clock) as after:
        await after.swarm.check_leases()
        assert await after.status("a") == "in_progress"
        again = await after.worker(held=[claim.lease_id])
        assert again.beat(claim) == []
        assert (await again.finish(claim, outcome("completed"))).status == "completed"


async def test_no_wall_clock_causes_a_transition(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b"))
    worker = await swarm.worker()
    await worker.start(await worker.claim("a"))
    before = await swarm.events()

    for jump_s in (-3600, 3600, 10 * 365 * 24 * 3600, -20 * 365 * 24 * 3600):
        swarm.clock.wall_offset_us = jump_s * 1_000_000
        await swarm.swarm.check_leases()

    assert await swarm.events() == before


async def test_a_repeated_start_gets_the_go_again_and_no_second_event(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")

    assert await worker.start(claim) is None
    assert await worker.start(claim) is None

    assert (await swarm.kinds("a")).count("session_started") == 1


async def test_d9_both_session_ids_are_known_while_the_sessions_run(swarm: EngineHarness) -> None:
    from swarmd.store.reads import views  # noqa: PLC0415

    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")

    await worker.start(claim, session_id="a-builder")
    key = (await swarm.task("a")).key
    during = await swarm.swarm.db.read(lambda tx: views.task(tx, key))
    await worker.start(claim, "validator", session_id="a-validator")
    later = await swarm.swarm.db.read(lambda tx: views.task(tx, key))

    assert (during.builder_session_id, during.validator_session_id) == ("a-builder", "")
    assert (later.builder_session_id, later.validator_session_id) == ("a-builder", "a-validator")


async def running_workers(swarm: EngineHarness, count: int) -> list[FakeWorker]:
    """Starts workers that each run one task."""
    await swarm.add(*(task(f"t{n}") for n in range(count)))
    workers = [await swarm.worker(f"w{n}") for n in range(count)]
    for worker in workers:
        await worker.receive()
        await worker.start(worker.claims[0])
    return workers


async def pass_with(swarm: EngineHarness, seconds: int, *alive: FakeWorker) -> None:
    """Moves the clock; only these workers send heartbeats."""
    for _ in range(seconds // 10):
        swarm.clock.pass_s(10)
        for worker in alive:
            worker.beat(*worker.claims)
        await swarm.swarm.check_leases()


async def test_no_lease_expires_while_most_workers_are_silent(swarm: EngineHarness) -> None:
    workers = await running_workers(swarm, 4)

    await pass_with(swarm, 6 * 3600, workers[0])

    assert await swarm.statuses("t0", "t1", "t2", "t3") == ["in_progress"] * 4
    assert swarm.swarm.live.expiry_paused
    assert "expiry_paused" in await swarm.kinds()


async def test_silence_counts_again_from_the_start_when_they_are_back(swarm: EngineHarness) -> None:
    workers = await running_workers(swarm, 4)
    await pass_with(swarm, 6 * 3600, workers[0])

    await pass_with(swarm, 1790, *workers[:3])
    still = await swarm.status("t3")
    await pass_with(swarm, 30, *workers[:3])

    assert (still, await swarm.status("t3")) == ("in_progress", "not_started")
    assert await swarm.statuses("t0", "t1", "t2") == ["in_progress"] * 3


async def test_an_operator_can_resume_expiry_of_silent_workers(swarm: EngineHarness) -> None:
    workers = await running_workers(swarm, 4)
    await pass_with(swarm, 3600, workers[0])

    await swarm.swarm.resume(requeue=False)
    await pass_with(swarm, 20, workers[0])

    assert await swarm.statuses("t0", "t1", "t2", "t3") == ["in_progress"] + ["not_started"] * 3


async def test_of_two_workers_one_may_be_dead_and_of_two_both(swarm: EngineHarness) -> None:
    await running_workers(swarm, 2)

    await pass_with(swarm, 1900)

    assert await swarm.statuses("t0", "t1") == ["not_started"] * 2
