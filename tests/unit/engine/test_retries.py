"""Retry budgets, backoff, and the dependents of a failed task."""

from dataclasses import replace
from functools import partial

import pytest

from support.engine import EngineHarness, FakeWorker, outcome, task
from swarmd.domain.errors import InvalidStatus
from swarmd.domain.retry_terms import RetryTerms
from swarmd.engine.tasks import retrying
from swarmd.store import runner_pauses


async def retry(swarm: EngineHarness, *task_ids: str, failed: bool = False) -> list[str]:
    return await swarm.retry(*task_ids, failed=failed)


async def test_d1_a_task_fails_for_good_when_its_budget_is_used_up_and_the_swarm_is_done(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a", max_retries=2))
    worker = await swarm.worker()

    seen = []
    for _ in range(3):
        await worker.fail("a")
        seen.append(await swarm.status("a"))
        await swarm.after_backoff()

    assert seen == ["not_started", "not_started", "failed"]
    assert swarm.swarm.live.done
    assert (await swarm.task("a")).attempt == 3


async def test_d2_a_retry_by_an_operator_gives_full_budgets_and_the_task_is_claimed_again(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a", max_retries=0))
    worker = await swarm.worker()
    await worker.fail("a")

    await retry(swarm, "a")

    found = await swarm.task("a")
    assert (found.status, found.failures, found.last_error) == ("claimed", 0, "")
    assert found.attempt == 2
    assert (await worker.complete("a")).status == "completed"


async def test_d5_dependents_of_a_failed_task_are_skipped_with_the_cause_and_revived_by_its_retry(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a", max_retries=0), task("b", "a"), task("c", "b"))
    worker = await swarm.worker()
    await worker.fail("a")

    assert await swarm.statuses("a", "b", "c") == ["failed", "skipped", "skipped"]
    assert (await swarm.task("b")).cause == "dependency a is failed"
    assert (await swarm.task("c")).cause == "dependency b is skipped"

    assert await retry(swarm, "a") == ["a"]

    assert await swarm.statuses("a", "b", "c") == ["claimed", "blocked", "blocked"]
    for task_id in ("a", "b", "c"):
        await worker.complete(task_id)
    assert await swarm.statuses("a", "b", "c") == ["completed"] * 3


async def test_the_policy_run_takes_any_end_of_a_dependency(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=0), task("report", "a", on_dependency_failure="run"))
    worker = await swarm.worker()

    await worker.fail("a")

    assert (await worker.complete("report")).status == "completed"


async def test_the_policy_block_waits_for_a_retry(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=0), task("b", "a", on_dependency_failure="block"))
    worker = await swarm.worker()

    await worker.fail("a")

    assert await swarm.status("b") == "blocked"
    stuck = swarm.swarm.live.done
    await retry(swarm, "a")
    assert (stuck, swarm.swarm.live.done) == (True, False), "stuck: nothing could make progress by itself"
    await worker.complete("a")
    assert await swarm.status("b") == "claimed"


async def test_a_skipped_task_waits_for_all_that_it_was_skipped_for(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=0), task("b", max_retries=0), task("c", "a", "b"))
    worker = await swarm.worker()
    await worker.fail("a")
    await worker.fail("b")

    await retry(swarm, "a")

    assert await swarm.status("c") == "skipped"
    await retry(swarm, "b")
    assert await swarm.status("c") == "blocked"


async def test_retrying_a_skipped_task_alone_is_refused_and_names_what_to_retry(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=0), task("b", "a"))
    worker = await swarm.worker()
    await worker.fail("a")

    with pytest.raises(InvalidStatus, match="a is failed: retry a, or both"):
        await retry(swarm, "b")

    assert await swarm.statuses("a", "b") == ["failed", "skipped"]
    await retry(swarm, "b", "a")
    assert await swarm.statuses("a", "b") == ["claimed", "blocked"]


async def test_a_completed_task_can_not_be_retried_and_those_named_with_it_are_retried_all_the_same(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("done"), task("bad", max_retries=0))
    worker = await swarm.worker()
    await worker.complete("done")
    await worker.fail("bad")

    with pytest.raises(InvalidStatus, match="can't retry task 'done': it is completed"):
        await retry(swarm, "bad", "done")

    assert await swarm.statuses("done", "bad") == ["completed", "claimed"]


async def test_retry_failed_takes_all_that_failed(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=0), task("b", max_retries=0))
    worker = await swarm.worker()
    await worker.fail("a")
    await worker.fail("b")

    retried = await retry(swarm, failed=True)

    assert retried == ["a", "b"]


async def test_d15_a_retry_waits_and_carries_the_last_error_and_report(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    await worker.fail("a", "validation_failed")

    assert await swarm.status("a") == "not_started"
    await worker.receive()
    assert len(worker.claims) == 1, "the backoff has not passed"
    swarm.clock.pass_s(1.9)
    await swarm.drain_writes()
    assert await swarm.status("a") == "not_started"
    swarm.clock.pass_s(0.1)
    await swarm.drain_writes()

    again = await worker.claim("a")
    assert (again.number, again.last_error) == (2, "validation_failed happened")
    assert again.previous_report == "{}"


async def test_a_provider_that_asks_to_wait_uses_up_no_retry(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=0))
    worker = await swarm.worker()

    for _ in range(5):
        await worker.fail("a", "provider_limited")
        await swarm.after_backoff()

    found = await swarm.task("a")
    assert (found.failures, found.status) == (0, "claimed")


async def test_lost_workers_have_a_budget_of_their_own(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=0))
    seen = []
    for number in range(3):
        worker = await swarm.worker(incarnation=f"life-{number}")
        assert await worker.start(await worker.claim("a")) is None
        await swarm.worker(incarnation=f"life-{number}-again")
        seen.append(await swarm.status("a"))
        await swarm.after_backoff()

    found = await swarm.task("a")
    assert seen == ["not_started", "not_started", "failed"]
    assert (found.failures, found.losses, found.failure_class) == (0, 3, "worker_lost")


async def test_a_restart_of_the_server_starts_a_backoff_again_in_full(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    await worker.fail("a")

    found = await swarm.task("a")

    assert (found.ready, found.backoff_s) == (False, 2.0)


async def reject(swarm: EngineHarness, worker: FakeWorker, *findings: str) -> None:
    """Runs the next attempt, which the validator rejects with these findings."""
    claim = await worker.claim("a")
    await worker.start(claim)
    found = ",".join(f'{{"finding_id": "{finding}"}}' for finding in findings)
    report = f'{{"verdict": {{"findings": [{found}]}}}}'
    await worker.finish(claim, outcome("failed", failure="validation_failed", error="no", report=report))
    await swarm.after_backoff()


async def test_a_finding_that_comes_back_twice_ends_the_attempts_and_is_named(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=9))
    worker = await swarm.worker()

    await reject(swarm, worker, "a1f1", "a1f2")
    await reject(swarm, worker, "a1f1", "a2f1")
    assert await swarm.status("a") == "claimed"
    await reject(swarm, worker, "a1f1", "a3f1")

    found = await swarm.task("a")
    assert (found.status, found.failure_class) == ("failed", "validation_failed")
    assert found.last_error == "a1f1 came back unchanged twice: no"


async def test_other_findings_each_time_use_up_the_budget_and_no_more(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=3))
    worker = await swarm.worker()

    for number in range(1, 4):
        await reject(swarm, worker, f"a{number}f1")
        assert await swarm.status("a") == "claimed"


async def test_a_new_start_forgets_the_findings_of_the_old_one(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=9))
    worker = await swarm.worker()
    for _ in range(3):
        await reject(swarm, worker, "a1f1")

    await retry(swarm, "a")
    await reject(swarm, worker, "a1f1")
    await reject(swarm, worker, "a1f1")

    assert await swarm.status("a") == "claimed"


async def test_a_refusing_provider_pauses_its_runner_and_uses_up_no_retry(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=0), task("b"))
    worker = await swarm.worker("paid", runner="amplifier-agent")

    await worker.fail("a", "provider_denied")

    found = await swarm.task("a")
    assert (found.status, found.failures) == ("not_started", 0)
    assert await swarm.status("b") == "not_started", "nothing is given to that runner"
    assert "runner_paused" in await swarm.kinds()
    other = await swarm.worker("other", runner="command")
    assert (await other.complete("a")).status == "completed"
    await swarm.swarm.db.write(lambda tx: swarm.swarm.control.resume(tx, requeue=False))
    await worker.receive()
    assert [claim.definition.task_id for claim in worker.claims] == ["a"]
    await other.complete("b")


async def paused(swarm: EngineHarness) -> list[tuple[str, str]]:
    found = await swarm.swarm.db.read(runner_pauses.find_all)
    return [(pause.runner, pause.worker) for pause in found]


async def test_one_worker_pauses_only_itself(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=0), task("b"))
    bad = await swarm.worker("bad", runner="agent")
    good = await swarm.worker("good", runner="agent")

    await bad.fail("a", "provider_denied")

    assert await paused(swarm) == [("agent", "bad")]
    assert (await good.complete("b")).status == "completed"
    assert (await good.complete("a")).status == "completed", "it goes on at the other worker"
    await bad.receive()
    assert [claim.definition.task_id for claim in bad.claims] == ["a"]


async def test_a_runner_that_several_workers_report_is_paused_everywhere(swarm: EngineHarness) -> None:
    await swarm.add(*(task(name, max_retries=0) for name in "abcd"))
    workers = [await swarm.worker(f"w{number}", runner="agent") for number in range(4)]

    await workers[0].fail("a", "provider_denied")
    assert await paused(swarm) == [("agent", "w0")]
    await workers[1].fail("b", "provider_denied")

    assert await paused(swarm) == [("agent", ""), ("agent", "w0"), ("agent", "w1")]
    await swarm.worker("late", runner="agent")
    assert await swarm.statuses("a", "b", "c", "d") == ["not_started"] * 4


async def test_two_workers_of_many_pause_no_runner_of_the_others(swarm: EngineHarness) -> None:
    await swarm.add(*(task(name, max_retries=0) for name in "ab"))
    liars = [await swarm.worker(f"liar{number}", runner="agent") for number in range(2)]
    for number in range(3):
        await swarm.worker(f"w{number}", runner="agent", slots=1)

    for liar, name in zip(liars, "ab", strict=True):
        await liar.fail(name, "provider_denied")

    assert await paused(swarm) == [("agent", "liar0"), ("agent", "liar1")]
    assert await swarm.statuses("a", "b") == ["claimed", "claimed"]


async def test_a_runner_goes_on_after_a_resume(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker(runner="amplifier-agent")
    await worker.fail("a", "provider_denied")
    assert await swarm.status("a") == "not_started"

    await swarm.swarm.db.write(lambda tx: swarm.swarm.control.resume(tx, requeue=False))

    assert await swarm.status("a") == "claimed"


async def test_a_claim_carries_what_came_of_its_dependencies(swarm: EngineHarness) -> None:
    await swarm.add(task("x"), task("y"), task("silent"), task("z", "y", "x", "silent"))
    worker = await swarm.worker()
    for task_id in ("x", "y"):
        claim = await worker.claim(task_id)
        await worker.start(claim)
        await worker.finish(
            claim, outcome("completed", report=f'{{"builder_result": {{"status": "{task_id}"}}}}')
        )
    await worker.complete("silent")

    claim = await worker.claim("z")

    assert [result.task_id for result in claim.dependency_results] == ["y", "x"]


SURVIVORS = '{"kill_receipt": {"survivors": 2}}'


async def test_a_task_with_processes_that_could_not_be_ended_is_not_retried_by_itself(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a", max_retries=3))
    worker = await swarm.worker()

    left = replace(outcome("failed", failure="timeout", error="too long", report=SURVIVORS), survivors=2)
    claim = await worker.claim("a")
    await worker.start(claim)
    await worker.finish(claim, left)
    await swarm.after_backoff()

    found = await swarm.task("a")
    assert (found.status, found.failure_class) == ("failed", "timeout")
    assert found.last_error == "2 processes could not be ended: too long"


async def test_a_retry_beside_processes_that_could_not_be_ended_is_refused_unless_it_is_forced(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await swarm.kill("a")
    await worker.finish(claim, outcome("stopped", report=SURVIVORS))

    with pytest.raises(
        InvalidStatus, match="2 processes could not be ended on worker w1; end them"
    ) as refused:
        await swarm.swarm.db.write(partial(retrying.retry, name="a"))
    assert refused.value.metadata == {"taskId": "a", "status": "killed"}
    assert await swarm.status("a") == "killed"

    await swarm.swarm.db.write(partial(retrying.retry, name="a", terms=RetryTerms(despite_survivors=True)))

    assert await swarm.status("a") == "claimed"


async def test_requeue_leaves_a_task_with_processes_that_could_not_be_ended(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b"))
    worker = await swarm.worker(slots=2)
    claims = [await worker.claim(name) for name in ("a", "b")]
    for claim in claims:
        await worker.start(claim)
    await swarm.swarm.db.write(lambda tx: swarm.swarm.control.emergency_stop(tx, cause="fire"))
    for claim, report in zip(claims, (SURVIVORS, "{}"), strict=True):
        await worker.finish(claim, outcome("stopped", report=report))

    requeued = await swarm.swarm.db.write(partial(swarm.swarm.control.resume, requeue=True))

    assert requeued == ["b"]
