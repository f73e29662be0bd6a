"""The breaker: three tasks with one fault pause a role of a runner, a probe frees it, and no task pays for it."""

from functools import partial
from pathlib import Path

import pytest

from support.engine import EngineHarness, FakeWorker, engine_harness, outcome, task
from swarmd.domain.model import PausedRunner
from swarmd.engine.reports import explain
from swarmd.store import runner_pauses

PLAN = [task(f"t{number}", max_retries=1) for number in range(1, 7)]


async def pauses(swarm: EngineHarness) -> list[PausedRunner]:
    return list(await swarm.swarm.db.read(runner_pauses.find_all))


async def resume(swarm: EngineHarness) -> None:
    await swarm.swarm.db.write(partial(swarm.swarm.control.resume, requeue=False))


async def end(worker: FakeWorker, task_id: str, failure: str = "agent_error", error: str = "") -> None:
    """Runs the task to a failure with that text."""
    claim = await worker.claim(task_id)
    assert await worker.start(claim) is None
    error = error or f"the builder's command exited with 1: no model for {task_id} in /run/{task_id}"
    await worker.finish(claim, outcome("failed", failure=failure, error=error))


async def trip(swarm: EngineHarness) -> FakeWorker:
    """Pauses the runner by three tasks in a row."""
    await swarm.add(*PLAN)
    worker = await swarm.worker()
    for task_id in ("t1", "t2", "t3"):
        await end(worker, task_id)
    return worker


async def test_three_tasks_with_one_fault_pause_the_role_and_keep_their_retries(swarm: EngineHarness) -> None:
    await trip(swarm)

    [pause] = await pauses(swarm)
    assert (pause.runner, pause.worker, pause.role, pause.failure_class) == (
        "command", "w1", "builder", "agent_error",
    )  # fmt: skip
    assert pause.fingerprint == "the builder's command exited with … no model for … in …"
    assert pause.task_ids == ("t1", "t2", "t3")
    assert pause.cause.startswith("3 tasks in a row ended alike: the builder's command exited with 1")
    assert [(await swarm.task(name)).failures for name in ("t1", "t2", "t3")] == [0, 0, 0]
    assert set(await swarm.statuses("t1", "t2", "t3", "t4")) == {"not_started"}
    assert (await swarm.kinds()).count("runner_paused") == 1
    await swarm.after_backoff(100.0)
    assert "claimed" not in await swarm.statuses("t1", "t2", "t3", "t4")


async def test_tasks_that_had_failed_for_the_fault_wait_again_with_their_dependents(
    swarm: EngineHarness,
) -> None:
    await swarm.add(*(task(name, max_retries=0) for name in ("t1", "t2", "t3")), task("after", "t1"))
    worker = await swarm.worker()
    await end(worker, "t1")
    assert await swarm.statuses("t1", "after") == ["failed", "skipped"]

    await end(worker, "t2")
    await end(worker, "t3")

    assert await swarm.statuses("t1", "t2", "t3", "after") == ["not_started"] * 3 + ["blocked"]
    assert "task_restored" in await swarm.kinds("t1")


@pytest.mark.parametrize("between", ["success", "work that is rejected", "another fault"])
async def test_faults_that_are_not_in_a_row_pause_nothing(swarm: EngineHarness, between: str) -> None:
    await swarm.add(*PLAN)
    worker = await swarm.worker()
    await end(worker, "t1")
    await end(worker, "t2")
    if between == "success":
        await worker.complete("t3")
    else:
        is_work = between.startswith("work")
        await end(worker, "t3", "validation_failed" if is_work else "agent_error", "something else")

    await end(worker, "t4")

    assert await pauses(swarm) == []
    assert (await swarm.task("t1")).failures == 1


async def test_one_task_that_fails_again_and_again_pauses_nothing(swarm: EngineHarness) -> None:
    await swarm.add(task("t1", max_retries=9))
    worker = await swarm.worker()
    for _ in range(5):
        await end(worker, "t1")
        await swarm.after_backoff()

    assert await pauses(swarm) == []
    assert (await swarm.task("t1")).failures == 5


@pytest.mark.parametrize("failure", ["validation_failed", "provider_limited", "resource_exhausted"])
async def test_failures_with_a_cause_of_their_own_are_not_counted(swarm: EngineHarness, failure: str) -> None:
    await swarm.add(*PLAN)
    worker = await swarm.worker(slots=6)
    for task_id in ("t1", "t2", "t3", "t4"):
        await end(worker, task_id, failure, "the same words")

    assert await pauses(swarm) == []


async def test_a_resume_lets_one_task_through_and_its_success_lets_all(swarm: EngineHarness) -> None:
    await trip(swarm)
    second = await swarm.worker("w1b", slots=1, runner="other")
    worker = await swarm.worker("w1", slots=4)
    await second.receive()

    await resume(swarm)

    [pause] = await pauses(swarm)
    assert (pause.half_open, pause.probe_task_id != "") == (True, True)
    claimed = [f"t{n}" for n in range(1, 7) if await swarm.status(f"t{n}") == "claimed"]
    assert len(claimed) == 2, "one alone, though there are four slots, and the one of another runner"
    await worker.complete(pause.probe_task_id)
    assert await pauses(swarm) == []
    assert {"runner_probed", "runner_resumed"} <= set(await swarm.kinds())
    assert [await swarm.status(f"t{n}") for n in range(1, 7)].count("claimed") == 3, (
        "all that are in no backoff"
    )


async def test_a_probe_that_meets_the_fault_again_costs_nothing_and_pauses_for_longer(
    swarm: EngineHarness,
) -> None:
    worker = await trip(swarm)

    swarm.clock.pass_s(300.0)
    await swarm.drain_writes()
    [probed] = [
        name for name in ("t1", "t2", "t3", "t4", "t5", "t6") if await swarm.status(name) == "claimed"
    ]
    await end(worker, probed)

    [pause] = await pauses(swarm)
    assert (pause.half_open, pause.failed_probes, pause.cooldown_s) == (False, 1, 600.0)
    assert (await swarm.task(probed)).failures == 0
    assert await swarm.status(probed) == "not_started"
    swarm.clock.pass_s(599.0)
    await swarm.drain_writes()
    assert not (await pauses(swarm))[0].half_open
    swarm.clock.pass_s(2.0)
    await swarm.drain_writes()
    assert (await pauses(swarm))[0].half_open


async def test_a_probe_that_meets_another_fault_frees_the_runner_and_is_charged(swarm: EngineHarness) -> None:
    worker = await trip(swarm)
    await resume(swarm)
    [probed] = [name for name in ("t1", "t2", "t3", "t4") if await swarm.status(name) == "claimed"]

    await end(worker, probed, error="something else entirely")

    assert await pauses(swarm) == []
    assert (await swarm.task(probed)).failures == 1


async def test_a_probe_that_is_killed_is_followed_by_another_one(swarm: EngineHarness) -> None:
    worker = await trip(swarm)
    await resume(swarm)
    [probed] = [name for name in ("t1", "t2", "t3", "t4") if await swarm.status(name) == "claimed"]

    await swarm.kill(probed)

    [pause] = await pauses(swarm)
    assert pause.half_open
    assert pause.probe_task_id not in {"", probed}
    await worker.complete(pause.probe_task_id)
    assert await pauses(swarm) == []


async def test_a_session_that_was_running_meets_the_fault_at_no_cost(swarm: EngineHarness) -> None:
    await swarm.add(*PLAN)
    worker = await swarm.worker(slots=4)
    late = await worker.claim("t4")
    assert await worker.start(late) is None
    for task_id in ("t1", "t2", "t3"):
        await end(worker, task_id)

    error = "the builder's command exited with 1: no model for t4 in /x"
    await worker.finish(late, outcome("failed", failure="agent_error", error=error))

    [pause] = await pauses(swarm)
    assert pause.task_ids == ("t1", "t2", "t3", "t4")
    assert ((await swarm.task("t4")).failures, await swarm.status("t4")) == (0, "not_started")


async def test_a_pause_takes_back_what_has_not_started_and_others_get_it(swarm: EngineHarness) -> None:
    await swarm.add(*PLAN)
    worker = await swarm.worker(slots=4)
    waiting = await worker.claim("t4")
    for task_id in ("t1", "t2", "t3"):
        await end(worker, task_id)

    assert await swarm.status("t4") == "not_started"
    order = await worker.start(waiting)
    assert order is not None, "no go"
    other = await swarm.worker("w2", runner="other", slots=6)
    await other.complete("t4")


async def test_one_worker_of_several_pauses_itself_alone_if_others_work(swarm: EngineHarness) -> None:
    await swarm.add(*(task(f"t{n}") for n in range(1, 9)))
    bad, good = await swarm.worker("bad", slots=3), await swarm.worker("good", slots=3)
    await bad.receive()
    await good.receive()
    first, second, third = [claim.definition.task_id for claim in bad.claims[:3]]
    await end(bad, first)
    await end(bad, second)
    await good.complete(good.claims[0].definition.task_id)
    await end(bad, third)

    assert [(pause.runner, pause.worker) for pause in await pauses(swarm)] == [("command", "bad")]


async def test_three_tasks_at_different_workers_pause_the_role_everywhere(swarm: EngineHarness) -> None:
    await swarm.add(*PLAN)
    workers = [await swarm.worker(f"w{n}") for n in range(1, 5)]
    for worker in workers[:3]:
        await worker.receive()
        await end(worker, str(worker.claims[0].definition.task_id))

    [pause] = await pauses(swarm)
    assert (pause.worker, len(pause.task_ids)) == ("", 3)
    assert [await swarm.status(f"t{n}") for n in range(1, 7)].count("claimed") == 0


async def test_a_validator_that_fails_by_itself_pauses_its_role_and_redoes_no_builder(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("t1"), task("t2"))
    worker = await swarm.worker()

    await end(worker, "t1", "validator_failed", "the validator gave no verdict in 3 runs: model not found")

    [pause] = await pauses(swarm)
    assert (pause.role, pause.cooldown_s) == ("validator", 0.0)
    assert (await swarm.task("t1")).status == "failed"
    assert await swarm.status("t2") == "not_started"


async def test_everything_survives_a_restart_and_a_cool_down_begins_again(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "s.db") as swarm:
        await swarm.add(*PLAN)
        worker = await swarm.worker()
        await end(worker, "t1")
        await end(worker, "t2")
    async with engine_harness(tmp_path / "s.db") as swarm:
        worker = await swarm.worker(incarnation="next")
        await swarm.after_backoff()
        await worker.receive()
        await end(worker, "t3") if await swarm.status("t3") == "claimed" else None
        if not await pauses(swarm):
            for name in ("t1", "t2"):
                if await swarm.status(name) == "claimed":
                    await end(worker, name)
            await end(worker, "t3")
        assert len(await pauses(swarm)) == 1
    async with engine_harness(tmp_path / "s.db") as swarm:
        await swarm.worker(incarnation="last")
        assert [await swarm.status(f"t{n}") for n in range(1, 7)].count("claimed") == 0
        swarm.clock.pass_s(300.0)
        await swarm.drain_writes()
        assert [await swarm.status(f"t{n}") for n in range(1, 7)].count("claimed") == 1


async def test_explain_names_the_fault_and_the_task_that_is_tried(swarm: EngineHarness) -> None:
    await trip(swarm)

    async def why(name: str) -> str:
        found = await swarm.task(name)
        facts = await swarm.swarm.db.read(
            partial(explain.read_facts, task=found, live=swarm.swarm.live, exclusive_files=False)
        )
        reasons = explain.reasons(facts, swarm.swarm.live, swarm.swarm.retry_timers)
        return "; ".join(reason.message for reason in reasons)

    assert "command at worker w1: 3 tasks in a row ended alike" in await why("t5")
    await resume(swarm)
    tried = (await pauses(swarm))[0].probe_task_id
    waits = next(name for name in ("t4", "t5") if name != tried)
    assert f"task {tried} is tried first" in await why(waits)


async def test_a_pause_of_a_worker_that_is_gone_ends_with_a_resume(swarm: EngineHarness) -> None:
    await trip(swarm)
    await swarm.worker("w1", runner="other", incarnation="new")

    await resume(swarm)

    assert await pauses(swarm) == []
