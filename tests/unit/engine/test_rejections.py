"""Rejections of completed work: what is put back, and what is refused."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest

from support.engine import EngineHarness, FakeWorker, task
from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.errors import HoldRefused, InvalidRequest, InvalidStatus
from swarmd.domain.landing import ReportedChange
from swarmd.domain.workspaces import WorkspaceKind
from swarmd.engine.tasks import rejecting
from swarmd.rpc import claims
from unit.engine.test_approvals import CLONES, built, landed


async def reject(
    swarm: EngineHarness,
    name: str = "a",
    text: str = "no index",
    *,
    with_dependents: bool = False,
    actor: str = "kim",
) -> Sequence[str]:
    write = partial(
        rejecting.reject_completed, name=name, text=text, with_dependents=with_dependents, actor=actor
    )
    return (await swarm.swarm.db.write(write)).dependents


async def complete(worker: FakeWorker, *names: str) -> None:
    for name in names:
        await worker.complete(name)


async def test_rejected_work_is_opened_again_with_a_finding_and_full_budgets(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=1), task("b", "a"))
    worker = await swarm.worker()
    await worker.fail("a")
    await swarm.after_backoff()
    await worker.complete("a")
    await swarm.kill("b")

    assert list(await reject(swarm)) == []

    assert await swarm.statuses("a", "b") == ["claimed", "killed"]
    again = await swarm.task("a")
    assert (again.failures, again.attempt, again.last_error) == (0, 3, "rejected by kim: no index")
    message = claims.write(await worker.claim("a"), traceparent="")
    assert [found.issue for found in message.findings] == ["no index"]
    await worker.complete("a")
    assert await swarm.status("a") == "completed"


async def test_landed_work_stays_and_the_next_attempt_begins_there(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker(**{**CLONES, "workspace": WorkspaceKind.CLONE})
    change = ReportedChange("base", "head", json.dumps({"ref": "r"}), b"")
    await built(swarm, worker, replace(landed("c1"), change=change))

    await reject(swarm)

    claim = await worker.claim("a")
    assert claim.clone is not None
    assert (claim.clone.first_base, claim.clone.previous_head) == ("c1", "")
    assert await worker.start(claim) is None
    await worker.finish(claim, landed("c2"))
    assert await swarm.status("a") == "completed"


async def test_what_has_built_on_it_is_named_and_put_back_only_if_asked_for(swarm: EngineHarness) -> None:
    await swarm.add(task("d", "c"), task("c", "b"), task("b", "a"), task("a"), task("other"), task("e", "d"))
    worker = await swarm.worker(slots=4)
    await complete(worker, "a", "b", "c", "d", "other")
    await swarm.kill("e")

    with pytest.raises(InvalidStatus, match="b, c, d built on it; --with-dependents"):
        await reject(swarm)
    assert await swarm.statuses("a", "b", "c", "d") == ["completed"] * 4
    preview = await swarm.swarm.db.read(partial(rejecting.preview, name="a"))
    assert list(preview.dependents) == ["b", "c", "d"]
    assert list(await reject(swarm, with_dependents=True)) == ["b", "c", "d"]

    assert await swarm.statuses("a", "b", "c", "d", "other") == ["claimed", *["blocked"] * 3, "completed"]
    await complete(worker, "a", "b")
    finding = claims.write(await worker.claim("c"), traceparent="").findings[0]
    assert finding.issue == "Task a, on which this one has built, was rejected and is done again: no index"
    await complete(worker, "c", "d")
    assert await swarm.statuses("a", "b", "c", "d", "e") == [*["completed"] * 4, "killed"]


async def test_a_dependent_that_runs_has_to_end_first(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b", "a"))
    worker = await swarm.worker()
    await worker.complete("a")

    with pytest.raises(InvalidStatus, match="b depends on it and is claimed; wait for its end, or kill it"):
        await reject(swarm, with_dependents=True)

    assert await swarm.statuses("a", "b") == ["completed", "claimed"]


async def test_work_that_waits_for_an_approval_is_put_back_and_a_start_waits_again(
    swarm: EngineHarness,
) -> None:
    await swarm.add(
        task("a"),
        task("b", "a", approve=ApprovalPoint.AFTER),
        task("c", "a", approve=ApprovalPoint.BEFORE_START),
    )
    worker = await swarm.worker()
    await complete(worker, "a", "b")
    assert await swarm.statuses("a", "b", "c") == ["completed", "held", "held"]

    assert list(await reject(swarm, with_dependents=True)) == ["b"]

    assert await swarm.statuses("a", "b", "c") == ["claimed", "blocked", "blocked"]


async def test_bad_input_and_the_second_of_two_people_change_nothing(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b"))
    worker = await swarm.worker()
    await worker.complete("a")
    for text in ("", " \n", "x" * 16_001):
        with pytest.raises(InvalidRequest):
            await reject(swarm, text=text)
    with pytest.raises(InvalidStatus, match="only completed work, or what waits for an approval"):
        await reject(swarm, "b")
    said = 'say "yes",\nnot \\no' + "x" * 15_000

    await reject(swarm, text=said)

    await reject(swarm, text=said)
    with pytest.raises(HoldRefused, match="was rejected by kim already"):
        await reject(swarm, text="other", actor="lee")
    assert (await swarm.kinds("a")).count("task_rejected") == 1
