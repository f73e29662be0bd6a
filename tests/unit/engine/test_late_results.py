"""Late results: archived, and accepted if nothing has started since, or by an operator."""

import pytest

from support.engine import PACE, EngineHarness, FakeWorker, outcome, task
from swarmd.domain.claim import Claim
from swarmd.domain.errors import InvalidStatus, ResultNotFound
from swarmd.domain.model import TaskId
from swarmd.domain.policy import MAX_LOSSES
from swarmd.engine.tasks import late_results


async def accept(swarm: EngineHarness, task_id: str, number: int) -> TaskId:
    return await swarm.swarm.db.write(lambda tx: late_results.accept(tx, task_id, number))


async def killed_but_built(swarm: EngineHarness) -> None:
    """Kills task `a`, whose completed result arrives after the kill."""
    worker = await swarm.worker("w")
    claim = await worker.claim("a")
    await worker.start(claim)
    await swarm.kill("a")
    await worker.finish(claim, outcome("completed", report='{"builder_result": {"status": "completed"}}'))


async def test_an_accepted_result_completes_the_task_and_revives_what_was_skipped(
    swarm: EngineHarness,
) -> None:
    await swarm.add(
        task("a"), task("b", "a"), task("c", "b"), task("late", "a", on_dependency_failure="block"),
        task("done", "a", on_dependency_failure="run"),
    )  # fmt: skip
    await killed_but_built(swarm)
    before = await swarm.statuses("a", "b", "c", "late", "done")

    await accept(swarm, "a", 1)

    assert before == ["killed", "skipped", "skipped", "blocked", "claimed"]
    statuses = await swarm.statuses("a", "b", "c", "late", "done")
    assert statuses == ["completed", "not_started", "blocked", "not_started", "claimed"]
    assert (await swarm.task("a")).unmet == 0
    assert "result_accepted" in await swarm.kinds("a")


async def test_an_attempt_without_an_archived_result_can_not_be_accepted(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=0))
    worker = await swarm.worker()
    await worker.fail("a")

    with pytest.raises(ResultNotFound, match="attempt 1 of task 'a' left no completed result"):
        await accept(swarm, "a", 1)

    assert await swarm.status("a") == "failed"


async def test_a_task_that_a_worker_holds_keeps_its_own_course(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    await killed_but_built(swarm)
    await swarm.retry("a")
    assert await swarm.status("a") == "claimed"

    with pytest.raises(InvalidStatus, match="can't accept task 'a': it is claimed"):
        await accept(swarm, "a", 1)

    assert await swarm.status("a") == "claimed"


async def lost(swarm: EngineHarness, worker: FakeWorker, task_id: str = "a") -> Claim:
    """Lets the worker be lost while it runs the task; returns the claim."""
    claim = await worker.claim(task_id)
    await worker.start(claim)
    while await swarm.status(task_id) == "in_progress":
        swarm.clock.pass_s(PACE.look_every_s)
        await swarm.swarm.check_leases()
    return claim


async def test_a_result_of_a_lost_worker_counts_if_nothing_has_started_since(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b", "a"))
    worker = await swarm.worker()
    claim = await lost(swarm, worker)
    result = outcome("completed", report='{"builder_result": {"status": "completed"}}')
    assert await swarm.statuses("a", "b") == ["not_started", "blocked"]

    first, again = await worker.finish(claim, result), await worker.finish(claim, result)

    assert first == again
    assert (first.disposition, first.status) == ("accepted", "completed")
    assert await swarm.statuses("a", "b") == ["completed", "not_started"]
    await swarm.after_backoff()
    assert (await swarm.task("a")).attempt == 1


async def test_a_result_of_a_lost_worker_takes_back_a_claim_that_has_not_started(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await lost(swarm, worker)
    await swarm.after_backoff()
    again = await swarm.worker(held=[claim.lease_id])
    fresh = await again.claim("a")

    result = await worker.finish(claim, outcome("completed"))

    assert (result.disposition, result.status) == ("accepted", "completed")
    order = await again.start(fresh)
    assert order is not None
    assert order.action == "abandon"
    assert [order.action for order in again.beat(fresh)] == ["abandon"]


async def test_a_result_of_the_last_worker_that_a_task_has_cost_completes_it(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b", "a"))
    for _ in range(MAX_LOSSES + 1):
        worker = await swarm.worker()
        claim = await lost(swarm, worker)
        await swarm.after_backoff()
    assert await swarm.statuses("a", "b") == ["failed", "skipped"]

    await worker.finish(claim, outcome("completed"))

    assert await swarm.statuses("a", "b") == ["completed", "not_started"]


async def test_a_late_failure_changes_nothing(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await lost(swarm, worker)

    result = await worker.finish(claim, outcome("failed", failure="agent_error"))

    found = await swarm.task("a")
    assert (result.disposition, found.status, found.failures, found.losses) == (
        "archived",
        "not_started",
        0,
        1,
    )


@pytest.mark.parametrize("retried", [False, True])
async def test_a_result_of_a_lost_worker_counts_no_more_after_a_kill(
    swarm: EngineHarness, *, retried: bool
) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await lost(swarm, worker)
    await swarm.kill("a")
    if retried:
        await swarm.retry("a")

    result = await worker.finish(claim, outcome("completed"))

    assert (result.disposition, result.status) == ("archived", "not_started" if retried else "killed")
    await accept(swarm, "a", 1)
    assert await swarm.status("a") == "completed"


async def test_a_result_of_a_lost_worker_counts_no_more_once_another_attempt_has_started(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await lost(swarm, worker)
    await swarm.after_backoff()
    other = await swarm.worker("other")
    await other.fail("a")

    result = await worker.finish(claim, outcome("completed"))

    assert (result.disposition, result.status) == ("archived", "not_started")
