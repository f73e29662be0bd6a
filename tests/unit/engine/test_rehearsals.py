"""Rehearsed work never looks like real work, and never mixes with it unless that is asked for."""

import pytest

from support.engine import EngineHarness, outcome, task
from swarmd.domain.errors import RehearsalRefused
from swarmd.domain.runner_kind import REHEARSAL_RUNNER
from swarmd.store import swarm as swarm_store
from swarmd.store.reads import views
from swarmd.store.reads.views import TaskView


async def _view(swarm: EngineHarness, task_id: str) -> TaskView:
    key = (await swarm.task(task_id)).key
    return await swarm.swarm.db.read(lambda tx: views.task(tx, key))


async def test_a_rehearsed_task_is_marked_in_its_view_its_event_and_the_totals(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b"))
    worker = await swarm.worker(runner=REHEARSAL_RUNNER)
    await worker.complete("a", runner=REHEARSAL_RUNNER)

    assert (await _view(swarm, "a")).rehearsed
    assert not (await _view(swarm, "b")).rehearsed
    assert (await swarm.swarm.db.read(views.totals)).rehearsed == 1
    (completed,) = [event for event in await swarm.events("a") if event.kind == "task_completed"]
    assert completed.cause == "rehearsed: no model did this work"


async def test_real_work_is_not_marked_and_the_swarm_remembers_it(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    assert not await swarm.swarm.db.read(swarm_store.has_real_work)

    await worker.complete("a")

    assert not (await _view(swarm, "a")).rehearsed
    assert (await swarm.swarm.db.read(views.totals)).rehearsed == 0
    assert await swarm.swarm.db.read(swarm_store.has_real_work)


async def test_a_real_attempt_after_a_rehearsed_one_counts_as_real(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=1))
    rehearsing = await swarm.worker("r", runner=REHEARSAL_RUNNER)
    claim = await rehearsing.claim("a")
    await rehearsing.start(claim, runner=REHEARSAL_RUNNER)
    await rehearsing.finish(claim, outcome("failed", failure="agent_error", error="no"))
    assert (await _view(swarm, "a")).rehearsed
    await swarm.swarm.drain(rehearsing.name, None)
    real = await swarm.worker("real")
    await swarm.after_backoff()

    await real.complete("a")

    assert not (await _view(swarm, "a")).rehearsed


async def test_a_swarm_that_has_done_real_work_refuses_a_rehearsing_worker(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    await (await swarm.worker()).complete("a")

    with pytest.raises(RehearsalRefused, match="--allow-rehearsal"):
        await swarm.worker("r", runner=REHEARSAL_RUNNER)

    assert (await swarm.worker("r", runner=REHEARSAL_RUNNER, allows_rehearsal=True)).server_side.takes_claims


async def test_a_rehearsing_worker_gets_no_more_claims_once_real_work_is_done(swarm: EngineHarness) -> None:
    rehearsing = await swarm.worker("r", runner=REHEARSAL_RUNNER)
    allowed = await swarm.worker("allowed", runner=REHEARSAL_RUNNER, allows_rehearsal=True)
    real = await swarm.worker("real")
    await swarm.add(task("a"), task("b"), task("c"))
    await real.complete("c")

    assert not rehearsing.server_side.takes_claims
    assert allowed.server_side.takes_claims
