"""Results that came too late: kept, and counted if an operator says so."""

import pytest

from support.engine import Bench, outcome, task
from swarmd.domain.errors import InvalidStatus, ResultNotFound
from swarmd.domain.model import TaskId
from swarmd.engine import retries


async def accept(swarm: Bench, task_id: str, number: int) -> TaskId:
    return await swarm.swarm.db.write(lambda tx: retries.accept(tx, task_id, number))


async def killed_but_built(swarm: Bench) -> None:
    """Task `a` was killed, and its completed result came after that."""
    worker = await swarm.worker("w")
    claim = await worker.claim("a")
    await worker.start(claim)
    await swarm.kill("a")
    await worker.finish(claim, outcome("completed", report='{"builder_result": {"status": "completed"}}'))


async def test_an_accepted_result_completes_the_task_and_revives_what_was_skipped(swarm: Bench) -> None:
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


async def test_an_attempt_without_an_archived_result_can_not_be_accepted(swarm: Bench) -> None:
    await swarm.add(task("a", max_retries=0))
    worker = await swarm.worker()
    await worker.fail("a")

    with pytest.raises(ResultNotFound, match="attempt 1 of task 'a' left no completed result"):
        await accept(swarm, "a", 1)

    assert await swarm.status("a") == "failed"


async def test_a_task_that_a_worker_holds_keeps_its_own_course(swarm: Bench) -> None:
    await swarm.add(task("a"))
    await killed_but_built(swarm)
    await swarm.swarm.db.write(lambda tx: retries.retry(tx, ["a"], failed=False))
    assert await swarm.status("a") == "claimed"

    with pytest.raises(InvalidStatus, match="can't accept task 'a': it is claimed"):
        await accept(swarm, "a", 1)

    assert await swarm.status("a") == "claimed"
