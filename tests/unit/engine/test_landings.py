"""Landings: one attempt at a time for each target, first come, first served, and a landing before completion."""

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.engine import EngineHarness, FakeWorker, engine_harness, outcome, task
from support.waiting import eventually
from swarmd.domain.claim import Claim
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.landing import ReportedChange, ReportedLanding
from swarmd.domain.model import Outcome
from swarmd.domain.policy import MAX_LANDING_FAILURES
from swarmd.domain.workspaces import WorkspaceKind
from swarmd.engine.attempts.landings import WAIT_S, LandingAnswer
from swarmd.engine.tasks import late_results
from swarmd.store import landings
from swarmd.store import swarm as swarm_row
from swarmd.store.landings import StoredChange

CLONES: dict[str, Any] = {
    "repository": "repo",
    "target": "swarm/main",
    "workspace": WorkspaceKind.CLONE,
    "slots": 8,
}


def landed(commit: str, *, found: bool = False) -> Outcome:
    """Returns a completion whose work is on the target as that commit."""
    landing = ReportedLanding("swarm/main", commit, "" if found else "before", found)
    report = json.dumps({"landing": {"target": landing.target, "commit": commit, "found": found}})
    return replace(outcome("completed", report=report), landing=landing)


def changed(result: Outcome, *, head: str, patch: str = "") -> Outcome:
    """Returns the outcome with a change."""
    compressed = zlib.compress(patch.encode()) if patch else b""
    return replace(result, change=ReportedChange("base", head, json.dumps({"head": head}), compressed))


async def building(worker: FakeWorker, task_id: str) -> Claim:
    """Starts the builder of a task that the worker has been given."""
    claim = await worker.claim(task_id)
    assert await worker.start(claim) is None
    return claim


async def turn(swarm: EngineHarness, worker: FakeWorker, claim: Claim) -> LandingAnswer:
    return await swarm.swarm.landings.wait_turn(worker.name, claim.lease_id)


async def waiting(swarm: EngineHarness, worker: FakeWorker, claim: Claim) -> "asyncio.Task[LandingAnswer]":
    """Begins to wait for the right behind those that have asked before."""
    call = asyncio.create_task(turn(swarm, worker, claim))
    await swarm.drain_writes()
    return call


async def known_tip(swarm: EngineHarness, worker: FakeWorker) -> str:
    key = worker.server_side.target_key
    assert key is not None
    return await swarm.swarm.db.read(lambda tx: landings.tip(tx, key))


async def test_the_right_goes_from_one_attempt_to_the_next_in_the_order_of_their_calls(
    swarm: EngineHarness,
) -> None:
    worker = await swarm.worker(**CLONES)
    await swarm.add(task("a"), task("b"), task("c"))
    a, b, c = [await building(worker, name) for name in "abc"]

    first = await turn(swarm, worker, c)
    second, third = await waiting(swarm, worker, a), await waiting(swarm, worker, b)
    assert first == LandingAnswer(granted=True)
    assert (second.done(), third.done()) == (False, False)

    await worker.finish(c, landed("c1"))
    assert await second == LandingAnswer(granted=True, tip="c1")
    assert not third.done()

    await worker.finish(a, outcome("failed", failure="landing_conflict"))
    assert await third == LandingAnswer(granted=True, tip="c1")
    granted = [event for event in await swarm.events() if event.kind == "task_landing"]
    assert [(event.task_id, event.cause) for event in granted] == [
        ("c", "on swarm/main"), ("a", "on swarm/main"), ("b", "on swarm/main"),
    ]  # fmt: skip


async def test_a_call_that_waited_long_enough_tells_how_many_are_before_it_and_keeps_its_place(
    swarm: EngineHarness,
) -> None:
    worker = await swarm.worker(**CLONES)
    await swarm.add(task("a"), task("b"), task("c"))
    a, b, c = [await building(worker, name) for name in "abc"]
    await turn(swarm, worker, a)
    second, third = await waiting(swarm, worker, b), await waiting(swarm, worker, c)

    swarm.clock.pass_s(WAIT_S)

    assert (await second).before == 1
    assert (await third).before == 2
    await worker.finish(a, landed("a1"))
    assert (await turn(swarm, worker, b)).granted
    assert (await turn(swarm, worker, b)).granted, "asked again, with the same answer"
    kinds = await swarm.kinds("b")
    assert kinds.count("task_landing") == 1


async def test_targets_have_queues_of_their_own(swarm: EngineHarness) -> None:
    one = await swarm.worker("one", **CLONES | {"slots": 1})
    two = await swarm.worker("two", **CLONES | {"slots": 1, "target": "swarm/other"})
    await swarm.add(task("a"), task("b"))
    workers = {
        claim.definition.task_id: (worker, claim) for worker in (one, two) for claim in await all_of(worker)
    }

    for worker, claim in workers.values():
        await worker.start(claim)
        assert (await turn(swarm, worker, claim)).granted


async def all_of(worker: FakeWorker) -> list[Claim]:
    await worker.receive()
    return worker.claims


async def _completes(swarm: EngineHarness, worker: FakeWorker, claim: Claim) -> None:
    await worker.finish(claim, landed("x"))


async def _fails(swarm: EngineHarness, worker: FakeWorker, claim: Claim) -> None:
    await worker.finish(claim, outcome("failed", failure="agent_error"))


async def _restarts(swarm: EngineHarness, worker: FakeWorker, claim: Claim) -> None:
    held = [other.lease_id for other in worker.claims if other is not claim]
    await swarm.worker(**CLONES, held=held, opening=2)


async def _is_killed(swarm: EngineHarness, worker: FakeWorker, claim: Claim) -> None:
    await swarm.kill("a")
    assert (await turn(swarm, worker, claim)).order is not None
    assert await swarm.swarm.db.read(landings.waiting) == 2, "it may be landing still"
    await worker.finish(claim, outcome("stopped"))


@pytest.mark.parametrize("end", [_completes, _fails, _restarts, _is_killed])
async def test_the_right_ends_with_the_attempt_whatever_ends_it(
    swarm: EngineHarness, end: Callable[[EngineHarness, FakeWorker, Claim], Awaitable[None]]
) -> None:
    worker = await swarm.worker(**CLONES)
    await swarm.add(task("a"), task("b"))
    a, b = [await building(worker, name) for name in "ab"]
    await turn(swarm, worker, a)
    call = await waiting(swarm, worker, b)

    await end(swarm, worker, a)

    assert (await call).granted
    assert (await turn(swarm, worker, a)).order is not None


async def test_a_kill_reaches_the_attempt_that_waits(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await swarm.add(task("a"), task("b"))
    a, b = [await building(worker, name) for name in "ab"]
    await turn(swarm, worker, a)
    call = await waiting(swarm, worker, b)

    await swarm.kill("b", cause="not needed")

    order = (await call).order
    assert order is not None
    assert (order.lease_id, order.action, order.cause) == (b.lease_id, "stop", "not needed")
    await swarm.swarm.db.write(lambda tx: swarm.swarm.control.emergency_stop(tx, "fire"))
    order = (await turn(swarm, worker, a)).order
    assert order is not None
    assert order.action == "stop_now"


async def test_right_and_places_outlive_a_restart_of_the_server(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as before:
        worker = await before.worker(**CLONES)
        await before.add(task("a"), task("b"), task("c"))
        a, b, c = [await building(worker, name) for name in "abc"]
        assert (await turn(before, worker, b)).granted
        calls = [await waiting(before, worker, c), await waiting(before, worker, a)]
    assert [(await call).granted for call in calls] == [False, False]

    async with engine_harness(tmp_path / "swarm.db") as after:
        worker = await after.worker(**CLONES, held=[claim.lease_id for claim in (a, b, c)], opening=2)
        last, second = await waiting(after, worker, a), await waiting(after, worker, c)
        assert (await turn(after, worker, b)).granted
        await worker.finish(b, landed("b1"))
        assert (await second).granted
        await worker.finish(c, landed("c1"))
        assert (await last).granted


async def test_an_attempt_without_a_clone_has_nothing_to_land(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await swarm.add(task("a", workspace=WorkspaceKind.SHARED))
    claim = await building(worker, "a")

    with pytest.raises(InvalidRequest, match="attempt 1 of a, which has no clone"):
        await turn(swarm, worker, claim)
    with pytest.raises(InvalidRequest, match="has no clone; leave the landing out"):
        await worker.finish(claim, landed("a1"))
    assert claim.clone is None


async def test_a_task_that_needs_a_clone_waits_for_a_worker_with_a_repository(swarm: EngineHarness) -> None:
    plain = await swarm.worker("plain", slots=3)
    await swarm.add(task("clone", workspace=WorkspaceKind.CLONE), task("any"))

    assert [claim.definition.task_id for claim in await all_of(plain)] == ["any"]
    able = await swarm.worker("able", **CLONES | {"workspace": WorkspaceKind.SHARED})
    await swarm.drain_writes()
    claim = await able.claim("clone")
    assert claim.clone is not None


async def test_labels_count_beside_the_need_for_a_clone(swarm: EngineHarness) -> None:
    able = await swarm.worker("able", **CLONES)
    await swarm.add(task("gpu", workspace=WorkspaceKind.CLONE, labels={"gpu": "yes"}))
    assert await all_of(able) == []

    both = await swarm.worker("both", **CLONES, labels={"gpu": "yes"})
    await swarm.drain_writes()

    assert (await both.claim("gpu")).clone is not None


async def test_a_dependent_starts_from_a_tip_with_the_work_of_its_dependency(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await swarm.add(task("a"), task("b", "a"))
    a = await building(worker, "a")
    assert a.clone is not None
    assert (a.clone.base, a.clone.first_base, a.clone.previous_head) == ("", "", "")
    await turn(swarm, worker, a)

    await worker.finish(a, landed("a1"))

    b = await worker.claim("b")
    assert b.clone is not None
    assert (b.clone.base, b.clone.first_base) == ("a1", "a1")
    assert [e.cause for e in await swarm.events("a") if e.kind == "task_completed"] == [
        "landed on swarm/main as a1"
    ]


async def test_a_further_attempt_is_given_what_came_before(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await swarm.add(task("a"), task("b"))
    a, b = [await building(worker, name) for name in "ab"]
    await turn(swarm, worker, b)
    await worker.finish(b, landed("b1"))

    await worker.finish(a, changed(outcome("failed", failure="landing_conflict"), head="head1"))

    again = await worker.claim("a")
    assert again.number == 2
    assert again.clone is not None
    assert (again.clone.base, again.clone.first_base) == ("b1", "")
    assert (again.clone.previous_head, again.clone.previous_failure) == ("head1", "landing_conflict")


async def test_the_first_attempt_in_a_restored_database_looks_at_the_whole_target(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as before:
        worker = await before.worker(**CLONES)
        await before.add(task("a"))
        await worker.finish(await building(worker, "a"), landed("a1"))
        await before.swarm.db.write(swarm_row.next_epoch)

        await before.add(task("b"))
        b = await building(worker, "b")
        assert b.clone is not None
        assert (b.epoch, b.clone.base, b.clone.first_base) == (2, "a1", "")

        await worker.finish(b, outcome("failed", failure="agent_error"))
        await before.after_backoff()
        again = await worker.claim("b")
        assert again.clone is not None
        assert again.clone.first_base == ""


async def test_a_task_whose_landing_was_found_completes_without_a_session(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await swarm.add(task("a"), task("b", "a"))
    claim = await worker.claim("a")

    result = await worker.finish(claim, landed("a1", found=True))

    assert (result.disposition, result.status) == ("accepted", "completed")
    assert await known_tip(swarm, worker) == "a1"
    assert (await worker.claim("b")).number == 1


async def test_a_completion_in_a_clone_needs_a_landing_unless_nothing_is_to_land(
    swarm: EngineHarness,
) -> None:
    worker = await swarm.worker(**CLONES)
    await swarm.add(task("a"), task("kept", land=False))
    a, kept = await building(worker, "a"), await building(worker, "kept")

    with pytest.raises(InvalidRequest, match="COMPLETED without a landing"):
        await worker.finish(a, outcome("completed"))
    assert await swarm.status("a") == "in_progress"
    await worker.finish(kept, outcome("completed"))
    assert await swarm.status("kept") == "completed"


async def test_a_landing_that_is_heard_late_does_not_take_the_tip_back(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await swarm.add(task("a"), task("b"))
    a, b = [await building(worker, name) for name in "ab"]
    await turn(swarm, worker, a)
    await _restarts(swarm, worker, a)
    await turn(swarm, worker, b)
    await worker.finish(b, landed("b1"))
    await all_of(worker)

    result = await worker.finish(a, landed("a1"))

    assert (result.disposition, result.status) == ("accepted", "completed")
    assert await known_tip(swarm, worker) == "b1"


async def test_a_landing_that_an_operator_accepts_becomes_the_tip(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await swarm.add(task("a"))
    a = await building(worker, "a")
    await turn(swarm, worker, a)
    await swarm.kill("a")
    await worker.finish(a, landed("a1"))
    assert (await swarm.status("a"), await known_tip(swarm, worker)) == ("killed", "")

    await swarm.swarm.db.write(lambda tx: late_results.accept(tx, "a", 1))

    assert (await swarm.status("a"), await known_tip(swarm, worker)) == ("completed", "a1")


async def test_failures_to_land_use_up_their_own_budget(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await swarm.add(task("a", max_retries=0))

    for _ in range(MAX_LANDING_FAILURES):
        await worker.fail("a", "landing_failed")
        assert await swarm.status("a") == "claimed"
    await worker.fail("a", "landing_conflict")

    found = await swarm.task("a")
    assert (found.status, found.failures, found.landing_failures) == ("failed", 0, MAX_LANDING_FAILURES + 1)
    await swarm.retry("a")
    assert (await swarm.task("a")).landing_failures == 0


async def test_the_change_of_an_attempt_is_kept_whatever_ended_it(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await swarm.add(task("a"))
    a = await building(worker, "a")
    await swarm.kill("a")
    await worker.finish(a, changed(outcome("stopped"), head="head1", patch="+line\n"))

    found = await _change(swarm, "a", 1)
    assert found is not None
    assert (found.number, json.loads(found.summary)) == (1, {"head": "head1"})
    assert zlib.decompress(found.patch or b"") == b"+line\n"

    # The same attempt says more, later: that takes the place of it.
    await worker.finish(a, changed(outcome("stopped"), head="head2"))
    assert await _change(swarm, "a", 0) == StoredChange(1, '{"head": "head2"}', None)
    assert await _change(swarm, "a", 2) is None


async def _change(swarm: EngineHarness, task_id: str, number: int) -> StoredChange | None:
    key = (await swarm.task(task_id)).key
    return await swarm.swarm.db.read(lambda tx: landings.change_of(tx, key, number=number))


async def test_a_caller_that_goes_away_leaves_no_wait_behind(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**CLONES)
    await swarm.add(task("a"), task("b"))
    a, b = [await building(worker, name) for name in "ab"]
    await turn(swarm, worker, a)
    call = await waiting(swarm, worker, b)
    await swarm.drain_writes()

    call.cancel()
    await eventually(call.done, "the call ends")

    assert not swarm.swarm.wakeups._waiting
    await worker.finish(a, landed("a1"))
    assert (await turn(swarm, worker, b)).granted, "its place was kept"
