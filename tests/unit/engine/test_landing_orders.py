"""Orders to land the accepted work of a task: what they reopen, what they refuse, and what becomes of them."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.engine import PACE, EngineHarness, FakeWorker, engine_harness, outcome, task
from swarmd.domain.claim import Claim
from swarmd.domain.errors import InvalidRequest, InvalidStatus
from swarmd.domain.landing import KeptWork, ReportedChange, ReportedLanding, StartPoint
from swarmd.domain.model import Outcome
from swarmd.domain.workspaces import WorkspaceKind
from swarmd.engine.attempts.landings import LandingAnswer
from swarmd.engine.reports import explain
from swarmd.engine.tasks import late_results, lookup
from swarmd.store import tasks
from swarmd.store.reads import views

CLONES: dict[str, Any] = {
    "repository": "repo",
    "target": "swarm/main",
    "workspace": WorkspaceKind.CLONE,
    "slots": 8,
    "starts": frozenset({StartPoint.LANDING}),
}
REF = "refs/swarm/draft/1"
WORK = KeptWork(1, "base", "head", REF, "repo", "draft-a1-builder-1")


def kept(*, head: str = "head", ref: str = REF) -> Outcome:
    """Returns a completion whose work is kept by a ref."""
    built = outcome("completed", report=json.dumps({"builder_result": {"implementation_notes": "drafted"}}))
    return replace(built, change=ReportedChange("base", head, json.dumps({"head": head, "ref": ref}), b""))


def landed(commit: str = "c1", *, found: bool = False) -> Outcome:
    landing = ReportedLanding("swarm/main", commit, "" if found else "tip", found)
    report = {"landing": {"target": landing.target, "commit": commit, "onto": "tip", "found": found}}
    bare = replace(outcome("completed", report=json.dumps(report)), validation_waived=False)
    return replace(bare, landing=landing)


def red(failure: str) -> Outcome:
    return replace(outcome("failed", failure=failure, error="both changed x.py"), verdict_passed=False)


async def drafted(swarm: EngineHarness, worker: FakeWorker, *others: Any, **fields: Any) -> None:
    """Completes a task whose work is kept."""
    await swarm.add(task("draft", **{"land": False, "validate": True, **fields}), *others)
    claim = await worker.claim("draft")
    assert await worker.start(claim) is None
    await worker.finish(claim, kept())
    assert await swarm.status("draft") == "completed"


async def granted(swarm: EngineHarness, worker: FakeWorker, claim: Claim) -> None:
    answer = await swarm.swarm.landings.wait_turn(worker.name, claim.lease_id)
    assert answer.granted


async def left(swarm: EngineHarness, worker: FakeWorker) -> None:
    identity = worker.server_side.identity
    leave = partial(swarm.swarm.workers.leave, name=worker.name, incarnation=identity.incarnation, held=[])
    await swarm.swarm.db.write(leave)


async def silent(swarm: EngineHarness, seconds: float) -> None:
    """Lets time pass in which no worker is heard."""
    for _ in range(int(seconds / PACE.look_every_s)):
        swarm.clock.pass_s(PACE.look_every_s)
        await swarm.swarm.check_leases()


async def view_of(swarm: EngineHarness, name: str) -> views.TaskView:
    return await swarm.swarm.db.read(lambda tx: views.task(tx, lookup.resolve(tx, name).key))


async def reasons(swarm: EngineHarness, name: str) -> list[str]:
    engine = swarm.swarm

    def read(tx: Any) -> explain.TaskFacts:
        return explain.read_facts(tx, lookup.resolve(tx, name), engine.live, exclusive_files=False)

    found = explain.reasons(await engine.db.read(read), engine.live, engine.retry_timers)
    return [reason.message for reason in found]


async def test_an_order_lands_the_kept_work_without_a_session(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await drafted(swarm, worker)
    assert (await view_of(swarm, "draft")).kept_ref == REF

    done = await swarm.land("draft")

    assert [view.task_id for view in done.tasks] == ["draft"]
    claim = await worker.claim("draft")
    assert (claim.number, claim.work) == (2, WORK)
    assert (claim.definition.land, claim.definition.workspace) == (True, "clone")
    await granted(swarm, worker, claim)
    assert await swarm.status("draft") == "in_progress", "the right is the go"
    await worker.finish(claim, landed())
    found = await view_of(swarm, "draft")
    assert (found.status, found.kept_ref, found.work_of, found.starts_at) == ("completed", "", 0, "builder")
    assert json.loads(found.landed or "{}")["commit"] == "c1"
    assert await swarm.kinds("draft") == [
        "task_added", "task_claimed", "session_started", "task_completed", "task_reopened", "task_claimed",
        "task_landing", "task_completed",
    ]  # fmt: skip


async def test_a_landing_that_was_found_needs_no_right(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await drafted(swarm, worker)
    await swarm.land("draft")

    await worker.finish(await worker.claim("draft"), landed(found=True))

    assert await swarm.status("draft") == "completed"


async def test_a_landing_without_the_right_is_no_proof(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await drafted(swarm, worker)
    await swarm.land("draft")
    claim = await worker.claim("draft")

    with pytest.raises(InvalidRequest, match="ask by LandTask"):
        await worker.finish(claim, landed())

    await granted(swarm, worker, claim)
    with pytest.raises(InvalidRequest, match="without a landing"):
        await worker.finish(claim, outcome("completed"))
    assert await swarm.status("draft") == "in_progress"


async def test_no_session_starts_while_kept_work_lands(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await drafted(swarm, worker)
    await swarm.land("draft")

    order = await worker.start(await worker.claim("draft"))

    assert order is not None
    assert (order.action, order.cause) == ("abandon", "it lands the work of attempt 1")
    assert await swarm.status("draft") == "claimed"


@pytest.mark.parametrize(
    "identity", [{"starts": frozenset()}, {"repository": "other"}, {"repository": "", "target": ""}]
)
async def test_only_a_worker_of_that_repository_that_knows_how_gets_a_landing(
    swarm: EngineHarness, identity: dict[str, Any]
) -> None:
    worker = await swarm.worker(**CLONES)
    await drafted(swarm, worker)
    await left(swarm, worker)
    unable = await swarm.worker("unable", **CLONES | identity)

    await swarm.land("draft")

    await unable.receive()
    assert unable.claims == []
    clone = "no worker that fits can make one" if "target" in identity else "no worker of that repository"
    assert clone in (await reasons(swarm, "draft"))[0]
    able = await swarm.worker("able", **CLONES)
    await swarm.drain_writes()
    assert (await able.claim("draft")).work == WORK


async def test_dependents_that_have_not_started_wait_again_and_others_are_left_alone(
    swarm: EngineHarness,
) -> None:
    worker = await swarm.worker(**CLONES | {"slots": 2})
    others = [task(name, "draft", land=False) for name in ("running", "failing", "waiting")]
    await drafted(swarm, worker, *others)
    running, failing = await worker.claim("running"), await worker.claim("failing")
    await worker.start(running)
    await worker.start(failing)

    done = await swarm.land("draft")

    assert done.waiting == 1
    assert await swarm.statuses("running", "failing", "waiting") == ["in_progress", "in_progress", "blocked"]
    await worker.finish(failing, outcome("failed", failure="agent_error"))
    await swarm.after_backoff()
    assert await swarm.status("failing") == "blocked", "a retry waits too"
    await worker.finish(running, kept())
    assert await swarm.status("running") == "completed"
    claim = await worker.claim("draft")
    await granted(swarm, worker, claim)
    await worker.finish(claim, landed())
    unmet = [(await swarm.task(name)).unmet for name in ("running", "failing", "waiting")]
    assert unmet == [0, 0, 0]
    assert (await worker.claim("waiting")).dependency_results[0].report.count("drafted") == 1


async def test_what_has_landed_or_is_under_way_is_left_alone(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await drafted(swarm, worker)
    await swarm.land("draft")
    claim = await worker.claim("draft")

    again = await swarm.land("draft")
    assert ([view.status for view in again.unchanged], again.tasks) == (["claimed"], [])

    await granted(swarm, worker, claim)
    await worker.finish(claim, landed())
    after = await swarm.land("draft")
    assert ([view.status for view in after.unchanged], after.tasks) == (["completed"], [])
    assert (await swarm.task("draft")).attempt == 2


async def test_an_order_that_can_not_be_carried_out_is_refused_with_the_reason(swarm: EngineHarness) -> None:
    shared = await swarm.worker("shared", slots=2)
    await swarm.add(task("imported", status="completed"), task("shared"), task("waits", "shared"))
    await shared.complete("shared")
    worker = await swarm.worker(**CLONES)
    await swarm.add(task("nothing", workspace=WorkspaceKind.CLONE, land=False))
    await swarm.add(task("refless", workspace=WorkspaceKind.CLONE, land=False))
    for name, result in (("nothing", kept(head="base")), ("refless", kept(ref=""))):
        claim = await worker.claim(name)
        await worker.start(claim)
        await worker.finish(claim, result)

    for name, reason in (
        ("imported", "no attempt of this swarm has completed it"),
        ("shared", "attempt 1 worked in the project root itself"),
        ("waits", "only completed work lands"),
        ("nothing", "attempt 1 changed no file"),
        ("refless", "no ref keeps the work of attempt 1; look for commit head"),
    ):
        before = await swarm.task(name)
        with pytest.raises(InvalidStatus, match=reason):
            await swarm.land(name)
        assert await swarm.task(name) == before


@pytest.mark.parametrize("failure", ["landing_conflict", "landing_failed"])
async def test_a_builder_reconciles_what_did_not_combine_and_its_work_has_to_land(
    swarm: EngineHarness, failure: str
) -> None:
    worker = await swarm.worker(**CLONES)
    await drafted(swarm, worker)
    await swarm.land("draft")
    claim = await worker.claim("draft")
    await granted(swarm, worker, claim)

    await worker.finish(claim, red(failure))

    builder = await worker.claim("draft")
    assert (builder.number, builder.work, builder.definition.land) == (3, None, True)
    assert builder.clone is not None
    assert (builder.clone.previous_head, builder.clone.previous_failure) == ("head", failure)
    assert await worker.start(builder) is None
    with pytest.raises(InvalidRequest, match="COMPLETED without a landing"):
        await worker.finish(builder, kept())
    await granted(swarm, worker, builder)
    await worker.finish(builder, replace(landed("c3"), validation_waived=True))
    assert (await view_of(swarm, "draft")).kept_ref == ""


@pytest.mark.parametrize("verb", ["retry", "land"])
async def test_a_landing_that_was_killed_can_be_ordered_again(swarm: EngineHarness, verb: str) -> None:
    worker = await swarm.worker(**CLONES)
    await drafted(swarm, worker)
    await swarm.land("draft")
    claim = await worker.claim("draft")
    await granted(swarm, worker, claim)
    await swarm.kill("draft")
    assert await swarm.status("draft") == "killing", "its worker may be about to land"
    await worker.finish(claim, outcome("stopped"))
    assert await swarm.status("draft") == "killed"

    await (swarm.retry("draft") if verb == "retry" else swarm.land("draft"))

    assert (await worker.claim("draft")).work == WORK


async def test_a_landing_that_was_killed_before_its_right_ends_at_once(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await drafted(swarm, worker)
    await swarm.land("draft")
    claim = await worker.claim("draft")

    await swarm.kill("draft")

    assert await swarm.status("draft") == "killed"
    answer = await swarm.swarm.landings.wait_turn(worker.name, claim.lease_id)
    assert answer == LandingAnswer(order=answer.order)


async def test_a_silent_worker_keeps_a_landing_until_it_has_ended_it_for_certain(
    swarm: EngineHarness,
) -> None:
    worker = await swarm.worker(**CLONES)
    await drafted(swarm, worker)
    await swarm.land("draft")
    claim = await worker.claim("draft")
    await granted(swarm, worker, claim)

    await silent(swarm, PACE.suspect_after_s + 20)
    assert await swarm.status("draft") == "in_progress"

    await silent(swarm, PACE.lost_after_s)
    await swarm.after_backoff()
    other = await swarm.worker("other", **CLONES)
    await swarm.drain_writes()
    assert (await other.claim("draft")).work == WORK, "the next attempt lands the same work"


async def test_a_lost_landing_that_is_heard_late_counts(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await drafted(swarm, worker)
    await swarm.land("draft")
    claim = await worker.claim("draft")
    await granted(swarm, worker, claim)
    await silent(swarm, PACE.lost_after_s + 20)
    assert await swarm.status("draft") == "not_started"

    await worker.finish(claim, landed())

    found = await view_of(swarm, "draft")
    assert (found.status, found.work_of) == ("completed", 0)


async def test_the_completion_of_kept_work_may_be_heard_again_after_an_order(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await swarm.add(task("draft", land=False))
    claim, completion = await worker.claim("draft"), kept()
    await worker.start(claim)
    first = await worker.finish(claim, completion)
    await swarm.land("draft")

    again = await worker.finish(claim, completion)

    assert (first.disposition, again.disposition) == ("accepted", "accepted")
    assert await swarm.status("draft") == "claimed"


async def test_work_that_is_gone_leaves_the_task_completed_and_its_dependents_free(
    swarm: EngineHarness,
) -> None:
    worker = await swarm.worker(**CLONES | {"slots": 1})
    await drafted(swarm, worker, task("first"))
    await swarm.add(task("after", "draft"))
    first = await worker.claim("first")
    await worker.start(first)
    await swarm.land("draft")
    assert await swarm.status("after") == "blocked"
    await worker.finish(first, landed())
    claim = await worker.claim("draft")

    await worker.finish(claim, outcome("failed", failure="work_missing", error="no commit head in repo"))

    found = await view_of(swarm, "draft")
    assert (found.status, found.last_error, found.kept_ref) == ("completed", "no commit head in repo", REF)
    assert (await worker.claim("after")).dependency_results[0].report.count("drafted") == 1
    assert "landing_withdrawn" in await swarm.kinds("draft")
    assert await reasons(swarm, "draft") == [
        "it is completed: no commit head in repo",
        f"its work is kept as {REF}; `swarmctl land draft` lands it",
    ]
    await swarm.land("draft")
    assert (await swarm.task("draft")).last_error == ""


async def test_an_operator_may_still_accept_a_late_result(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await drafted(swarm, worker)
    await swarm.land("draft")
    claim = await worker.claim("draft")
    await granted(swarm, worker, claim)
    await swarm.kill("draft")
    await worker.finish(claim, landed())
    assert await swarm.status("draft") == "killed", "a kill wins"

    await swarm.swarm.db.write(partial(late_results.accept, task_id="draft", number=2))

    found = await view_of(swarm, "draft")
    assert (found.status, found.work_of, found.kept_ref) == ("completed", 0, "")


async def test_an_import_leaves_an_order_in_force(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await drafted(swarm, worker)
    await swarm.swarm.db.write(partial(swarm.swarm.control.pause, cause=""))
    await swarm.land("draft")

    await swarm.add(task("draft", land=False, workspace=WorkspaceKind.SHARED, labels={}))
    await swarm.worker("unable", **CLONES | {"starts": frozenset()})
    await swarm.swarm.resume(requeue=False)

    claim = await worker.claim("draft")
    assert (claim.work, claim.definition.workspace) == (WORK, "clone")


async def test_an_import_says_that_the_work_of_a_task_can_land_now(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await drafted(swarm, worker)

    result = await swarm.add(task("draft"))

    assert [warning.message for warning in result.warnings] == [
        (
            '"draft" is completed: its new definition is stored, but its work stays where it is; '
            "`swarmctl land draft` lands it"
        )
    ]


async def test_an_order_outlives_a_restart(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as before:
        await drafted(before, await before.worker(**CLONES))
        await before.swarm.db.write(partial(before.swarm.control.pause, cause=""))
        await before.land("draft")

    async with engine_harness(tmp_path / "swarm.db") as after:
        again = await after.worker(**CLONES)
        await after.swarm.resume(requeue=False)
        assert (await again.claim("draft")).work == WORK


async def test_dependencies_are_reopened_before_their_dependents(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await drafted(swarm, worker, task("next", "draft", land=False))
    claim = await worker.claim("next")
    await worker.start(claim)
    await worker.finish(claim, kept())

    done = await swarm.land("next", "draft")

    assert [view.task_id for view in done.tasks] == ["draft", "next"]
    assert await swarm.statuses("draft", "next") == ["claimed", "blocked"]


async def test_each_creation_of_a_task_has_a_name_of_its_own(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await drafted(swarm, worker)
    first = (await worker.claim("draft")).creation

    await swarm.add(task("draft"), clear=True)
    second = await worker.claim("draft")

    assert len(first) == len(second.creation) == 16
    assert first != second.creation
    await swarm.add(task("other"))
    keys = await swarm.swarm.db.read(tasks.states)
    assert {key.key for key in keys.values()} == {2, 3}
