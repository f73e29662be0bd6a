"""Approvals: a task waits for a person at the point it names, and an approval counts for nothing else."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.engine import EngineHarness, FakeWorker, engine_harness, outcome, task
from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.claim import Claim
from swarmd.domain.errors import HoldRefused, InvalidRequest, InvalidTasks
from swarmd.domain.holds import Hold
from swarmd.domain.landing import ReportedChange, ReportedLanding, StartPoint
from swarmd.domain.model import Outcome
from swarmd.domain.workspaces import WorkspaceKind
from swarmd.engine.reports import explain
from swarmd.engine.tasks import approving, holding, late_results, lookup
from swarmd.rpc import claims
from swarmd.store import holds

START, LANDING, AFTER = ApprovalPoint
CLONES: dict[str, Any] = {
    "repository": "repo",
    "target": "swarm/main",
    "workspace": WorkspaceKind.SHARED,
    "slots": 8,
    "starts": frozenset({StartPoint.LANDING}),
}


async def lasting(swarm: EngineHarness, task_id: str = "a") -> Hold:
    key = (await swarm.task(task_id)).key
    found = await swarm.swarm.db.read(partial(holds.lasting, key=key))
    assert found is not None, f"{task_id} is {await swarm.status(task_id)}"
    return found


async def approve(swarm: EngineHarness, hold_id: str, *, task_id: str = "a", actor: str = "kim") -> None:
    await swarm.swarm.db.write(
        partial(approving.approve, name=task_id, hold_ids={task_id: hold_id}, actor=actor)
    )


async def reject(
    swarm: EngineHarness, hold_id: str, text: str, *, task_id: str = "a", actor: str = "kim"
) -> None:
    write = partial(approving.reject, name=task_id, hold_id=hold_id, text=text, actor=actor)
    await swarm.swarm.db.write(write)


def kept(number: int, *, head: str = "head", ref: str = "refs/swarm/a/{}") -> Outcome:
    """Returns a completion whose work is kept by a ref."""
    change = ReportedChange("base", head, json.dumps({"head": head, "ref": ref.format(number)}), b"")
    return replace(outcome("completed"), change=change)


def landed(commit: str = "c1") -> Outcome:
    landing = ReportedLanding("swarm/main", commit, "tip", found=False)
    report = {"landing": {"target": landing.target, "commit": commit, "onto": "tip", "found": False}}
    return replace(outcome("completed", report=json.dumps(report)), landing=landing)


async def built(swarm: EngineHarness, worker: FakeWorker, result: Outcome, task_id: str = "a") -> Claim:
    claim = await worker.claim(task_id)
    assert await worker.start(claim) is None
    await worker.finish(claim, result)
    return claim


async def allowed(swarm: EngineHarness, worker: FakeWorker, result: Outcome) -> Claim:
    """Lets the landing attempt of task a get its right, and report."""
    claim = await worker.claim("a")
    assert (await swarm.swarm.landings.wait_turn(worker.name, claim.lease_id)).granted
    await worker.finish(claim, result)
    return claim


async def test_a_task_waits_before_its_start_once_its_dependencies_are_met(swarm: EngineHarness) -> None:
    await swarm.add(task("first"), task("a", "first", approve=START), task("b", "a"))
    worker = await swarm.worker()
    assert await swarm.status("a") == "blocked"

    await worker.complete("first")

    hold = await lasting(swarm)
    assert (hold.point, hold.text, hold.attempt) == (START, "may the task start?", 0)
    assert await swarm.statuses("a", "b") == ["held", "blocked"]
    await swarm.after_backoff()
    await worker.receive()
    assert [claim.definition.task_id for claim in worker.claims] == ["first"], "nobody is given the task"
    await approve(swarm, hold.hold_id)
    await worker.complete("a")
    assert await swarm.statuses("a", "b") == ["completed", "claimed"]
    assert [kind for kind in await swarm.kinds("a") if "task_" in kind] == [
        "task_added", "task_held", "task_approved", "task_claimed", "task_completed",
    ]  # fmt: skip


async def test_an_approved_start_counts_for_automatic_retries_and_not_for_those_of_people(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a", approve=START, max_retries=1))
    worker = await swarm.worker()
    first = await lasting(swarm)
    await approve(swarm, first.hold_id)
    await worker.fail("a")
    await swarm.after_backoff()
    await worker.fail("a")
    assert await swarm.status("a") == "failed"

    await swarm.retry("a")

    second = await lasting(swarm)
    assert second.hold_id != first.hold_id
    with pytest.raises(HoldRefused, match="was approved by kim already"):
        await approve(swarm, first.hold_id, actor="lee")
    assert await swarm.status("a") == "held"


async def test_an_approved_start_ends_when_a_dependency_is_unmet_again(swarm: EngineHarness) -> None:
    await swarm.add(task("first", land=False), task("a", "first", approve=START))
    worker = await swarm.worker(**CLONES)
    claim = await worker.claim("first")
    await worker.start(claim)
    await worker.finish(claim, replace(kept(1), change=ReportedChange("b", "h", '{"ref": "r"}', b"")))
    waits = await lasting(swarm)
    await swarm.add(task("more"), task("first", "more", land=False), task("a", "first", approve=START))

    assert await swarm.status("a") == "held", "a dependency that gets one of its own stays completed"
    await swarm.add(task("a", "first", "more", approve=START))

    assert await swarm.status("a") == "blocked"
    with pytest.raises(HoldRefused, match="waits for that approval no more"):
        await approve(swarm, waits.hold_id)


async def test_an_import_gives_and_takes_the_point(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    await swarm.add(task("a", approve=START))
    assert (await lasting(swarm)).point is START

    await swarm.add(task("a"))

    assert await swarm.status("a") == "not_started"
    assert (await swarm.kinds("a")).count("task_held") == 1


async def test_work_waits_before_its_landing_and_the_approval_lands_that_work(swarm: EngineHarness) -> None:
    await swarm.add(task("a", approve=LANDING, max_retries=0), task("b", "a"))
    worker = await swarm.worker(**CLONES)

    claim = await built(swarm, worker, kept(1))

    assert (claim.definition.workspace, claim.definition.land) == ("clone", False), (
        "the worker keeps the work"
    )
    hold = await lasting(swarm)
    assert (hold.point, hold.attempt) == (LANDING, 1)
    assert await swarm.statuses("a", "b") == ["held", "blocked"]
    assert (await swarm.task("a")).failures == 0
    await approve(swarm, hold.hold_id)
    lands = await allowed(swarm, worker, landed())
    assert lands.work is not None
    assert lands.work.attempt == 1
    assert await swarm.statuses("a", "b") == ["completed", "claimed"]


async def test_work_that_a_builder_reconciles_waits_for_an_approval_of_its_own(swarm: EngineHarness) -> None:
    await swarm.add(task("a", approve=LANDING))
    worker = await swarm.worker(**CLONES)
    await built(swarm, worker, kept(1))
    first = await lasting(swarm)
    await approve(swarm, first.hold_id)
    conflict = replace(outcome("failed", failure="landing_conflict", error="x"), verdict_passed=False)
    await allowed(swarm, worker, conflict)

    claim = await built(swarm, worker, kept(3))

    assert (claim.work, claim.definition.land) == (None, False)
    second = await lasting(swarm)
    assert (second.point, second.attempt) == (LANDING, 3)
    with pytest.raises(HoldRefused, match="was approved by kim already"):
        await approve(swarm, first.hold_id, actor="lee")
    await approve(swarm, second.hold_id)
    lands = await worker.claim("a")
    assert lands.work is not None
    assert lands.work.attempt == 3


async def test_approved_work_that_is_gone_is_built_and_asked_for_again(swarm: EngineHarness) -> None:
    await swarm.add(task("a", approve=LANDING))
    worker = await swarm.worker(**CLONES)
    await built(swarm, worker, kept(1))
    await approve(swarm, (await lasting(swarm)).hold_id)
    claim = await worker.claim("a")

    await worker.finish(claim, outcome("failed", failure="work_missing", error="the ref is gone"))

    await swarm.after_backoff()
    assert (await worker.claim("a")).work is None
    await built(swarm, worker, kept(3))
    assert (await lasting(swarm)).attempt == 3


async def test_the_approval_of_work_that_changed_nothing_completes_the_task(swarm: EngineHarness) -> None:
    await swarm.add(task("a", approve=LANDING))
    worker = await swarm.worker(**CLONES)
    await built(swarm, worker, kept(1, head="base"))

    await approve(swarm, (await lasting(swarm)).hold_id)

    assert await swarm.status("a") == "completed"


async def test_work_that_was_not_kept_can_only_be_rejected(swarm: EngineHarness) -> None:
    await swarm.add(task("a", approve=LANDING))
    worker = await swarm.worker(**CLONES)
    await built(swarm, worker, kept(1, ref=""))
    hold = await lasting(swarm)

    with pytest.raises(HoldRefused, match=r"no ref keeps the work of attempt 1 \(commit head\)"):
        await approve(swarm, hold.hold_id)

    assert await swarm.status("a") == "held"
    await reject(swarm, hold.hold_id, "again")
    assert await swarm.status("a") == "claimed"


async def test_landed_work_waits_before_it_counts(swarm: EngineHarness) -> None:
    await swarm.add(task("a", approve=AFTER), task("b", "a"))
    worker = await swarm.worker(**{**CLONES, "workspace": WorkspaceKind.CLONE})

    await built(swarm, worker, landed("0123456789abcdef"))

    hold = await lasting(swarm)
    assert hold.point is AFTER
    assert "attempt 1 is accepted and landed on swarm/main as 0123456789ab" in hold.text
    await swarm.after_backoff()
    assert await swarm.statuses("a", "b") == ["held", "blocked"]
    await approve(swarm, hold.hold_id)
    assert await swarm.statuses("a", "b") == ["completed", "claimed"]


async def test_a_late_result_waits_for_its_approval_too(swarm: EngineHarness) -> None:
    await swarm.add(task("a", approve=AFTER))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    lease = next(iter(swarm.swarm.live.leases_of(worker.name))).lease
    await swarm.swarm.db.write(partial(swarm.swarm.outcomes.mark_lost, lease=lease, cause="silent"))
    assert await swarm.status("a") == "not_started"

    await worker.finish(claim, outcome("completed"))

    hold = await lasting(swarm)
    assert (hold.point, hold.attempt) == (AFTER, 1)
    await approve(swarm, hold.hold_id)
    assert await swarm.status("a") == "completed"


async def test_a_late_result_of_a_failed_task_waits_and_its_rejection_gives_full_budgets(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a", approve=AFTER, max_retries=0), task("b", "a"))
    worker = await swarm.worker()
    for _ in range(3):
        await swarm.after_backoff()
        claim = await worker.claim("a")
        await worker.start(claim)
        lease = next(iter(swarm.swarm.live.leases_of(worker.name))).lease
        await swarm.swarm.db.write(partial(swarm.swarm.outcomes.mark_lost, lease=lease, cause="silent"))
    assert await swarm.statuses("a", "b") == ["failed", "skipped"]

    await worker.finish(claim, outcome("completed"))

    assert await swarm.statuses("a", "b") == ["held", "blocked"]
    await reject(swarm, (await lasting(swarm)).hold_id, "no")
    assert (await swarm.task("a")).losses == 0


async def test_a_landing_that_is_found_waits_for_its_approval(swarm: EngineHarness) -> None:
    await swarm.add(task("a", approve=AFTER))
    worker = await swarm.worker(**{**CLONES, "workspace": WorkspaceKind.CLONE})
    claim = await worker.claim("a")
    found = landed()
    assert found.landing is not None

    await worker.finish(claim, replace(found, landing=replace(found.landing, found=True)))

    assert (await lasting(swarm)).point is AFTER


async def test_accepted_late_work_of_a_killed_task_lands_without_another_approval(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a", approve=LANDING), task("b", "a"))
    worker = await swarm.worker(**CLONES)
    claim = await worker.claim("a")
    await worker.start(claim)
    await swarm.kill("a")
    await worker.finish(claim, kept(1))
    assert await swarm.statuses("a", "b") == ["killed", "skipped"]

    await swarm.swarm.db.write(partial(late_results.accept, task_id="a", number=1))

    assert await swarm.statuses("a", "b") == ["claimed", "blocked"], "b waits until the work has landed"
    lands = await allowed(swarm, worker, landed())
    assert lands.work is not None
    assert lands.work.attempt == 1
    assert await swarm.statuses("a", "b") == ["completed", "claimed"]


async def test_a_rejection_is_a_finding_for_the_builder_and_uses_up_nothing(swarm: EngineHarness) -> None:
    await swarm.add(task("a", approve=LANDING, max_retries=0), task("b", "a"))
    worker = await swarm.worker(**CLONES)
    await built(swarm, worker, kept(1))
    hold = await lasting(swarm)
    said = 'It says "port 80",\nbut \\8080 is meant.'

    await reject(swarm, hold.hold_id, said)

    claim = await worker.claim("a")
    assert (claim.number, claim.work) == (2, None)
    assert claim.clone is not None
    assert (claim.clone.previous_head, claim.clone.previous_failure) == ("head", "validation_failed")
    message = claims.write(claim, traceparent="")
    assert [(found.finding_id, found.issue) for found in message.findings] == [(f"p{hold.hold_id}", said)]
    assert [answer.text for answer in message.answers] == [f"Rejected: {said}"]
    assert (await swarm.task("a")).failures == 0
    await worker.start(claim)
    await worker.finish(claim, kept(2))
    second = await lasting(swarm)
    await reject(swarm, second.hold_id, "still 80")
    third = claims.write(await worker.claim("a"), traceparent="")
    assert [found.issue for found in third.findings] == ["still 80"], "what the last attempt settled is over"


async def test_rejected_work_that_has_landed_is_where_the_next_attempt_begins(swarm: EngineHarness) -> None:
    await swarm.add(task("a", approve=AFTER))
    worker = await swarm.worker(**{**CLONES, "workspace": WorkspaceKind.CLONE})
    result = replace(landed("c1"), change=ReportedChange("base", "head", '{"ref": "r"}', b""))
    await built(swarm, worker, result)

    await reject(swarm, (await lasting(swarm)).hold_id, "more tests")

    claim = await worker.claim("a")
    assert claim.clone is not None
    assert claim.clone.first_base == "c1", (
        "the landing of the rejected work is not taken for that of the next"
    )
    assert claim.clone.previous_head == "", "the tip has that work already"


async def test_a_rejected_start_kills_the_task_and_a_retry_asks_again(swarm: EngineHarness) -> None:
    await swarm.add(task("a", approve=START), task("b", "a"))
    worker = await swarm.worker()

    await reject(swarm, (await lasting(swarm)).hold_id, "not on a Friday")

    assert await swarm.statuses("a", "b") == ["killed", "skipped"]
    assert (await swarm.task("a")).cause == "rejected by kim: not on a Friday"
    await swarm.retry("a")
    await approve(swarm, (await lasting(swarm)).hold_id)
    message = claims.write(await worker.claim("a"), traceparent="")
    assert [found.issue for found in message.findings] == ["not on a Friday"]


async def test_two_people_at_once_the_second_is_told_who_was_first(swarm: EngineHarness) -> None:
    await swarm.add(task("a", approve=START), task("b", approve=START))
    a, b = await lasting(swarm), await lasting(swarm, "b")
    await approve(swarm, a.hold_id, actor="kim")
    await reject(swarm, b.hold_id, "no", task_id="b", actor="kim")

    await approve(swarm, a.hold_id, actor="kim")
    await reject(swarm, b.hold_id, "no", task_id="b", actor="kim")
    with pytest.raises(HoldRefused, match="'a' was approved by kim already"):
        await approve(swarm, a.hold_id, actor="lee")
    with pytest.raises(HoldRefused, match="'a' was approved by kim already"):
        await reject(swarm, a.hold_id, "no", actor="lee")
    with pytest.raises(HoldRefused, match="'b' was rejected by kim already: 'no'"):
        await approve(swarm, b.hold_id, task_id="b", actor="lee")


async def test_bad_input_changes_nothing(swarm: EngineHarness) -> None:
    await swarm.add(task("a", approve=START))
    hold = await lasting(swarm)

    for text in ("", " \n\t", "x" * 16_001):
        with pytest.raises(InvalidRequest):
            await reject(swarm, hold.hold_id, text)
    with pytest.raises(InvalidRequest, match="names no hold"):
        await approve(swarm, "")
    with pytest.raises(HoldRefused, match="waits for no approval 1-99"):
        await approve(swarm, "1-99")
    with pytest.raises(HoldRefused, match="waits for an approval; `swarmctl approve a`"):
        await swarm.swarm.db.write(partial(holding.unhold, name="a", actor="kim"))
    assert (await lasting(swarm)) == hold
    await reject(swarm, hold.hold_id, "x" * 16_000)
    assert await swarm.status("a") == "killed"


async def test_a_kill_ends_the_wait_and_a_retry_of_held_work_builds_again(swarm: EngineHarness) -> None:
    await swarm.add(task("a", approve=AFTER))
    worker = await swarm.worker()
    await worker.complete("a")
    first = await lasting(swarm)
    await swarm.kill("a")
    with pytest.raises(HoldRefused, match="waits for that approval no more"):
        await approve(swarm, first.hold_id)
    await swarm.retry("a")

    await worker.complete("a")

    second = await lasting(swarm)
    assert second.attempt == 2
    await swarm.retry("a")
    assert (await worker.claim("a")).number == 3


async def test_a_point_that_can_not_be_is_refused_at_the_import(swarm: EngineHarness) -> None:
    for fields in ({"workspace": WorkspaceKind.SHARED}, {"land": False}):
        with pytest.raises(InvalidTasks) as refused:
            await swarm.add(task("a", approve=LANDING, **fields))
        assert "say `approve: after`" in refused.value.faults[0].message
    await swarm.add(task("a", approve=LANDING))
    worker = await swarm.worker()
    await worker.receive()
    assert worker.claims == [], "a worker that makes no clones is not given the task"


async def test_explain_names_the_commands(swarm: EngineHarness) -> None:
    await swarm.add(task("a", approve=START))
    engine = swarm.swarm

    facts = await engine.db.read(
        lambda tx: explain.read_facts(tx, lookup.resolve(tx, "a"), engine.live, exclusive_files=False)
    )

    [reason] = explain.reasons(facts, engine.live, engine.retry_timers)
    assert reason.message == (
        "a person has to approve: may the task start? `swarmctl approve a`, or `swarmctl reject a --because TEXT`"
    )


async def test_the_wait_and_the_approval_outlive_restarts(tmp_path: Path) -> None:
    path = tmp_path / "swarm.db"
    async with engine_harness(path) as swarm:
        await swarm.add(task("a", approve=LANDING))
        worker = await swarm.worker(**CLONES)
        await built(swarm, worker, kept(1))
        hold = await lasting(swarm)
    async with engine_harness(path) as swarm:
        assert await lasting(swarm) == hold
        await approve(swarm, hold.hold_id)
    async with engine_harness(path) as swarm:
        worker = await swarm.worker(**CLONES)
        await allowed(swarm, worker, landed())
        assert await swarm.status("a") == "completed"
