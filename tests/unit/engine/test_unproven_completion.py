"""A completion without its proof is refused, and changes nothing."""

from dataclasses import replace

import pytest

from support.engine import EngineHarness, outcome, task
from swarmd.domain.errors import InvalidRequest

WITHOUT_VERDICT = replace(outcome("completed"), validation_waived=False)


async def test_a_completion_without_a_go_is_refused_and_the_claim_stays(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")

    with pytest.raises(InvalidRequest, match="no session of the lease ever got a go"):
        await worker.finish(claim, outcome("completed"))

    assert await swarm.status("a") == "claimed"
    assert await worker.start(claim) is None


async def test_a_completion_without_a_verdict_is_refused_where_the_task_demands_one(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a", validate=True), task("after", "a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)

    with pytest.raises(InvalidRequest, match="the task demands validation"):
        await worker.finish(claim, WITHOUT_VERDICT)

    assert await swarm.statuses("a", "after") == ["in_progress", "blocked"]
    await worker.finish(claim, replace(WITHOUT_VERDICT, verdict_passed=True))
    assert await swarm.status("a") == "completed"


@pytest.mark.parametrize("validate", [None, False])
async def test_a_task_that_demands_no_verdict_completes_without_one(
    swarm: EngineHarness, *, validate: bool | None
) -> None:
    await swarm.add(task("a", validate=validate))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)

    await worker.finish(claim, WITHOUT_VERDICT)

    assert await swarm.status("a") == "completed"


@pytest.mark.parametrize("failure", ["no_verdict", "bad_check", "validator_failed"])
async def test_a_failure_that_no_builder_can_mend_ends_its_task_and_no_dependent_starts(
    swarm: EngineHarness, failure: str
) -> None:
    await swarm.add(task("a", max_retries=5), task("after", "a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)

    await worker.finish(
        claim, outcome("failed", failure=failure, error="the builder reports 'blocked': no key")
    )

    assert await swarm.statuses("a", "after") == ["failed", "skipped"]
    failed = await swarm.task("a")
    assert (failed.failures, failed.failure_class, failed.last_error) == (
        0, failure, "the builder reports 'blocked': no key",
    )  # fmt: skip
    assert ("runner_paused" in await swarm.kinds()) is (failure == "validator_failed")
