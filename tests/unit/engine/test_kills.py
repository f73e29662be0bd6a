"""Kill, emergency stop, resume and drain."""

from functools import partial
from pathlib import Path

import pytest

from support.engine import PACE, EngineHarness, FakeWorker, engine_harness, outcome, task
from swarmd.domain.errors import InvalidStatus
from swarmd.domain.model import DisconnectPolicy, WorkerName
from swarmd.domain.policy import GRACE_ROOM_S
from swarmd.engine.attempts.swarm_control import EmergencyStopResult
from swarmd.engine.reports import overview


async def stop(swarm: EngineHarness, cause: str = "fire") -> EmergencyStopResult:
    return await swarm.swarm.db.write(partial(swarm.swarm.control.emergency_stop, cause=cause))


async def test_a_task_killed_while_it_waits_is_never_claimed(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b", "a"))

    await swarm.kill("a", cause="not needed")

    await swarm.worker()
    assert await swarm.statuses("a", "b") == ["killed", "skipped"]
    assert (await swarm.task("a")).cause == "not needed"


async def test_a_claimed_task_is_killed_at_once_and_its_go_is_refused(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")

    await swarm.kill("a")

    assert await swarm.status("a") == "killed"
    refused = await worker.start(claim)
    assert refused is not None
    assert refused.action == "abandon"


async def test_a_running_task_is_killing_until_its_worker_shows_that_it_is_dead(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)

    await swarm.kill("a", cause="too dear")

    assert await swarm.status("a") == "killing"
    await worker.receive()
    assert [(order.action, order.cause) for order in worker.orders] == [("stop", "too dear")]
    assert [order.action for order in worker.beat(claim)] == ["stop"], "heartbeats alone are enough"
    result = await worker.finish(claim, outcome("stopped"))
    assert (result.disposition, result.status) == ("accepted", "killed")


async def test_a_kill_wins_over_a_result_that_comes_later_and_the_result_is_kept(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"), task("b", "a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await swarm.kill("a")

    result = await worker.finish(claim, outcome("completed"))

    assert (result.disposition, result.status) == ("archived", "killed")
    assert await swarm.statuses("a", "b") == ["killed", "skipped"]
    assert "result_archived" in await swarm.kinds("a")


async def test_d10_a_killed_task_is_not_run_again_by_itself(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await swarm.kill("a")
    await worker.finish(claim, outcome("stopped"))

    await swarm.after_backoff()

    assert await swarm.status("a") == "killed"
    assert swarm.swarm.live.done


async def test_killing_twice_changes_nothing(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    await swarm.kill("a")
    before = await swarm.events()

    await swarm.kill("a")

    assert await swarm.events() == before


async def test_an_ended_task_can_not_be_killed_and_those_named_with_it_are_killed_all_the_same(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"), task("b"))
    worker = await swarm.worker()
    await worker.complete("a")

    with pytest.raises(InvalidStatus, match="can't kill task 'a': it is completed"):
        await swarm.kill("a", "b")

    assert await swarm.statuses("a", "b") == ["completed", "killed"]


async def test_a_task_and_its_dependent_can_be_killed_together(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b", "a"))

    await swarm.kill("a", "b")

    assert await swarm.statuses("a", "b") == ["killed", "killed"]


async def test_an_emergency_stop_ends_everything_and_lets_nothing_begin(swarm: EngineHarness) -> None:
    await swarm.add(task("running"), task("claimed"), task("waiting"))
    worker = await swarm.worker(slots=2)
    running, claimed = await worker.claim("running"), await worker.claim("claimed")
    await worker.start(running)

    stopped = await stop(swarm)

    assert (stopped.killing, stopped.killed) == (["running"], ["claimed"])
    assert await swarm.statuses("running", "claimed", "waiting") == ["killing", "killed", "not_started"]
    assert [order.action for order in worker.beat(running)] == ["stop_now"]
    refused = await worker.start(claimed)
    assert refused is not None
    assert (await worker.start(running, "validator")) is not None
    await worker.finish(running, outcome("stopped"))
    assert await swarm.statuses("running", "waiting") == ["killed", "not_started"]


async def test_d11_an_emergency_stop_survives_a_restart_and_ends_with_resume(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as before:
        await before.add(task("running"), task("waiting"))
        worker = await before.worker()
        claim = await worker.claim("running")
        await worker.start(claim)
        await stop(before)

    async with engine_harness(tmp_path / "swarm.db") as after:
        again = await after.worker(held=[claim.lease_id])
        await again.receive()
        assert [order.action for order in again.orders] == ["stop_now"]
        await again.finish(claim, outcome("stopped"))
        assert await after.statuses("running", "waiting") == ["killed", "not_started"]

        resume = partial(after.swarm.control.resume, requeue=True)
        assert await after.swarm.db.write(resume) == ["running"]
        assert await after.statuses("running", "waiting") == ["claimed", "not_started"]


async def test_requeue_puts_back_what_the_stop_ended_and_not_what_an_operator_killed(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("mine"), task("theirs"))
    worker = await swarm.worker(slots=2)
    await worker.claim("mine")
    await swarm.kill("theirs")
    await stop(swarm)

    requeued = await swarm.swarm.db.write(partial(swarm.swarm.control.resume, requeue=True))

    assert requeued == ["mine"]
    assert await swarm.status("theirs") == "killed"


async def test_repeating_an_emergency_stop_adds_no_generation(swarm: EngineHarness) -> None:
    from swarmd.store import swarm as store  # noqa: PLC0415

    await stop(swarm)
    await stop(swarm)

    assert (await swarm.swarm.db.read(store.get)).stop_generation == 1


async def test_a_killing_task_whose_worker_is_lost_is_killed(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    await worker.start(await worker.claim("a"))
    await swarm.kill("a")

    await swarm.worker(incarnation="second-life")

    assert await swarm.status("a") == "killed"


async def test_a_drain_with_a_deadline_kills_what_still_runs_then(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)

    await swarm.swarm.drain(worker.name, 60.0)
    swarm.clock.pass_s(59)
    await swarm.drain_writes()
    assert await swarm.status("a") == "in_progress"
    swarm.clock.pass_s(1)
    await swarm.drain_writes()

    assert await swarm.status("a") == "killing"
    await worker.finish(claim, outcome("stopped"))
    found = await swarm.task("a")
    assert (found.status, found.cause, found.failures) == ("killed", "its worker was drained", 0)


async def test_a_drain_of_all_stops_them_all_at_the_deadline_and_nothing_starts_meanwhile(
    swarm: EngineHarness,
) -> None:
    await swarm.add(*[task(name) for name in "abcd"])
    workers = await _running(swarm, "w1", "w2")

    assert await swarm.swarm.drain(None, 60.0) == ["w1", "w2"]
    await workers[0].finish(workers[0].claims[0], outcome("completed"))
    await swarm.drain_writes()
    assert await swarm.statuses(*"abcd") == ["completed", "in_progress", "not_started", "not_started"]
    swarm.clock.pass_s(60)
    await swarm.drain_writes()

    assert await swarm.statuses(*"abcd") == ["completed", "killing", "not_started", "not_started"]


async def test_a_restart_of_the_server_gives_a_drain_its_full_time_again(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as before:
        await before.add(task("a"))
        await _running(before, "w1")
        await before.swarm.drain(WorkerName("w1"), 60.0)
        before.clock.pass_s(59)

    async with engine_harness(tmp_path / "swarm.db") as after:
        after.clock.pass_s(59)
        await after.drain_writes()
        assert await after.status("a") == "in_progress"
        after.clock.pass_s(1)
        await after.drain_writes()

        assert await after.status("a") == "killing"


async def test_the_deadline_of_a_drain_is_nothing_to_the_next_process_of_that_worker(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"))
    [first] = await _running(swarm, "w1")
    await swarm.swarm.drain(first.name, 60.0)
    await first.finish(first.claims[0], outcome("completed"))

    second = await swarm.worker("w1", incarnation="second-life")
    await swarm.add(task("b"))
    await second.start(await second.claim("b"))
    swarm.clock.pass_s(100)
    await swarm.drain_writes()

    assert await swarm.status("b") == "in_progress"


async def test_the_latest_word_on_a_drain_counts(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    [worker] = await _running(swarm, "w1")
    await swarm.swarm.drain(worker.name, 60.0)
    await swarm.swarm.drain(worker.name, None)

    swarm.clock.pass_s(100)
    await swarm.drain_writes()

    assert await swarm.status("a") == "in_progress"


async def _running(swarm: EngineHarness, *names: str) -> list[FakeWorker]:
    """Starts workers of these names, each with a session of the next task."""
    found = [await swarm.worker(name) for name in names]
    for worker in found:
        await worker.receive()
        await worker.start(worker.claims[0])
    return found


def _by_us(swarm: EngineHarness, *, silent_s: float) -> int:
    """Returns the latest end of the sessions of a worker that has been silent for `silent_s`."""
    return swarm.clock.wall_us() + int((PACE.stop_after_s + GRACE_ROOM_S - silent_s) * 1e6)


def _expected(swarm: EngineHarness) -> list[tuple[str, bool, int | None]]:
    found = overview.stopping_workers(swarm.swarm.live, swarm.clock, PACE)
    return [(worker.name, worker.reachable, worker.stopped_by_us) for worker in found]


async def _expectations(swarm: EngineHarness) -> dict[str, tuple[str, int | None]]:
    look = partial(overview.worker_views, live=swarm.swarm.live, clock=swarm.clock, pace=PACE)
    return {
        worker.identity.name: (worker.status.value, worker.stopped_by_us)
        for worker in await swarm.swarm.db.read(look)
    }


async def test_an_emergency_stop_says_of_each_worker_what_to_expect(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b"))
    _, far = await _running(swarm, "near", "far")
    await swarm.swarm.close_stream(far.server_side)
    swarm.clock.pass_s(100)
    await stop(swarm)

    assert _expected(swarm) == [("far", False, _by_us(swarm, silent_s=100)), ("near", True, None)]


async def test_a_suspect_worker_is_not_called_reachable_because_its_stream_is_open(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"), task("b"))
    heard, silent = await _running(swarm, "heard", "silent")
    for _ in range(4):
        swarm.clock.pass_s(PACE.heartbeat_s)
        heard.beat(heard.claims[0])
        await swarm.swarm.check_leases()
    await stop(swarm)

    assert silent.server_side.connected
    assert _expected(swarm) == [("heard", True, None), ("silent", False, _by_us(swarm, silent_s=40))]
    assert await _expectations(swarm) == {
        "heard": ("online", None),
        "silent": ("suspect", _by_us(swarm, silent_s=40)),
    }

    silent.beat(silent.claims[0])
    assert _expected(swarm) == [("heard", True, None), ("silent", True, None)]


async def test_no_time_is_promised_for_sessions_that_are_to_be_kept(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b", on_disconnect=DisconnectPolicy.KEEP))
    workers = await _running(swarm, "fences", "keeps")
    for worker in workers:
        await swarm.swarm.close_stream(worker.server_side)
    await stop(swarm)

    assert _expected(swarm) == [("fences", False, _by_us(swarm, silent_s=0)), ("keeps", False, None)]
    assert (await _expectations(swarm))["keeps"] == ("suspect", None)


async def test_after_a_restart_the_times_count_from_the_start(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as before:
        await before.add(task("a"), task("b", on_disconnect=DisconnectPolicy.KEEP))
        await _running(before, "fences", "keeps")

    async with engine_harness(tmp_path / "swarm.db") as after:
        after.clock.pass_s(7)
        await stop(after)

        assert _expected(after) == [("fences", False, _by_us(after, silent_s=7)), ("keeps", False, None)]
