"""Retries that judge the work that is there: without a builder, and never without the proof that is asked for."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from support.engine import EngineHarness, FakeWorker, outcome, task
from swarmd.domain.claim import Claim
from swarmd.domain.errors import InvalidRequest, InvalidStatus
from swarmd.domain.landing import ReportedChange, StartPoint
from swarmd.domain.model import Outcome, SessionRole
from swarmd.domain.retry_terms import RetryTerms
from swarmd.domain.workspaces import WorkspaceKind
from swarmd.engine.attempts.sessions import ChecksStart
from swarmd.engine.tasks import retrying
from swarmd.rpc import claims
from unit.engine.test_approvals import built, landed
from unit.engine.test_landing_orders import left

STARTS = frozenset(StartPoint)
CLONES: dict[str, Any] = {
    "repository": "repo", "target": "swarm/main", "workspace": WorkspaceKind.CLONE, "slots": 4, "starts": STARTS,
}  # fmt: skip
VALIDATOR = RetryTerms(starts_at=StartPoint.VALIDATOR)
CHECKS = RetryTerms(starts_at=StartPoint.CHECKS)
CHANGE = ReportedChange("base", "head", json.dumps({"ref": "refs/swarm/a/1"}), b"")
BUILT = {"builder_result": {"implementation_notes": "it is done"}}


async def retry(swarm: EngineHarness, terms: RetryTerms = VALIDATOR) -> None:
    await swarm.swarm.db.write(partial(retrying.retry, name="a", terms=terms, actor="kim"))


def failed(failure: str = "no_verdict", *, passed: bool | None = None) -> Outcome:
    report = {**BUILT, **({} if passed is None else {"verdict": {"passed": passed}})}
    return replace(outcome("failed", failure=failure, report=json.dumps(report)), change=CHANGE)


def judged(*, passed: bool | None = True) -> Outcome:
    bare = outcome("completed", report=json.dumps({"verdict": {"passed": bool(passed)}}))
    return replace(bare, verdict_passed=passed, validation_waived=False)


async def checked(swarm: EngineHarness, worker: FakeWorker, claim: Claim) -> Any:
    """Asks for the go of an attempt that starts with its checks."""
    asked = partial(
        swarm.swarm.sessions.record_many, worker=worker.name, records=[ChecksStart(claim.lease_id)]
    )
    [order] = await swarm.swarm.db.write(asked)
    return order


async def test_the_validator_alone_gets_the_work_that_is_there_and_completes_by_its_verdict(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a", validate=True, land=False))
    worker = await swarm.worker(**CLONES)
    await built(swarm, worker, failed())
    assert await swarm.status("a") == "failed"

    await retry(swarm)

    claim = await worker.claim("a")
    message = claims.write(claim, traceparent="")
    assert (claim.starts_at, message.work.head, message.work.ref) == ("validator", "head", "refs/swarm/a/1")
    assert message.work.builder_result.implementation_notes == "it is done"
    assert await checked(swarm, worker, claim) is None
    assert await checked(swarm, worker, claim) is None, "the same request gets the same answer"
    assert await worker.start(claim, role=SessionRole.BUILDER) is not None, "no builder may start"
    with pytest.raises(InvalidRequest, match="without a verdict"):
        await worker.finish(claim, judged(passed=None))
    assert (await worker.finish(claim, judged())).status == "completed"
    found = await swarm.swarm.db.read(
        partial(retrying.preview, name="a", terms=replace(CHECKS, completed=True))
    )
    assert found.dependents == [], "its work is still the kept one"


async def test_nothing_completes_before_the_go_of_its_checks(swarm: EngineHarness) -> None:
    await swarm.add(task("a", land=False))
    worker = await swarm.worker(**CLONES)
    await built(swarm, worker, failed())
    await retry(swarm)
    claim = await worker.claim("a")

    with pytest.raises(InvalidRequest, match="ever got a go"):
        await worker.finish(claim, judged())


@pytest.mark.parametrize("failure", ["validation_failed", "no_verdict", "landing_conflict", "timeout"])
async def test_what_does_not_pass_is_final_and_a_later_retry_builds(
    swarm: EngineHarness, failure: str
) -> None:
    await swarm.add(task("a", max_retries=5, land=False))
    worker = await swarm.worker(**CLONES)
    await built(swarm, worker, failed())
    await retry(swarm)
    claim = await worker.claim("a")
    assert await checked(swarm, worker, claim) is None

    await worker.finish(claim, replace(failed(failure), change=None))

    assert await swarm.status("a") == "failed", "nobody has asked for a builder"
    await retry(swarm, RetryTerms())
    assert (await worker.claim("a")).starts_at is StartPoint.BUILDER


async def test_an_attempt_that_is_lost_or_given_back_is_followed_by_one_that_judges(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a", land=False))
    worker = await swarm.worker(**CLONES)
    await built(swarm, worker, failed())
    await retry(swarm)
    claim = await worker.claim("a")
    assert await checked(swarm, worker, claim) is None
    await left(swarm, worker)
    other = await swarm.worker("w2", **CLONES)
    await swarm.after_backoff()

    assert (await other.claim("a")).starts_at is StartPoint.VALIDATOR


async def test_checks_alone_need_work_that_a_validator_has_passed(swarm: EngineHarness) -> None:
    await swarm.add(task("a", validate=True, land=False))
    worker = await swarm.worker(**CLONES)
    await built(swarm, worker, failed())
    with pytest.raises(InvalidStatus, match="no validator has passed the work of attempt 1"):
        await retry(swarm, CHECKS)
    await retry(swarm)
    claim = await worker.claim("a")
    assert await checked(swarm, worker, claim) is None
    await worker.finish(claim, judged())

    await retry(swarm, replace(CHECKS, completed=True))

    claim = await worker.claim("a")
    assert claim.starts_at is StartPoint.CHECKS
    assert await worker.start(claim, role=SessionRole.VALIDATOR) is not None, "it has no session"
    assert await checked(swarm, worker, claim) is None
    assert (await worker.finish(claim, judged(passed=None))).status == "completed"


async def test_work_that_has_landed_is_not_judged_again(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker(**CLONES)
    await built(swarm, worker, landed("c1"))

    with pytest.raises(InvalidStatus, match="its work has landed"):
        await retry(swarm, replace(VALIDATOR, completed=True))


async def test_accepted_work_that_is_gone_stays_accepted(swarm: EngineHarness) -> None:
    await swarm.add(task("a", land=False))
    worker = await swarm.worker(**CLONES)
    await built(swarm, worker, replace(judged(), change=CHANGE))
    await retry(swarm, replace(VALIDATOR, completed=True))
    claim = await worker.claim("a")

    await worker.finish(claim, outcome("failed", failure="work_missing", error="it is gone"))

    assert await swarm.status("a") == "completed"


async def test_only_workers_that_know_such_starts_and_have_the_work_get_it(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=0))
    worker = await swarm.worker(starts=STARTS)
    await worker.fail("a")
    await left(swarm, worker)
    await swarm.worker("old")
    await swarm.worker("clones", **CLONES)

    await retry(swarm)

    assert await swarm.status("a") == "not_started"
    there = await swarm.worker("there", starts=STARTS)
    claim = await there.claim("a")
    assert (claim.definition.workspace, claim.work.head if claim.work else None) == ("shared", "")


async def test_without_work_there_is_nothing_to_judge(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    await swarm.kill("a")

    with pytest.raises(InvalidStatus, match="no attempt has left work"):
        await retry(swarm)


async def test_an_import_does_not_give_the_work_to_workers_that_lack_it(swarm: EngineHarness) -> None:
    await swarm.add(task("a", land=False))
    worker = await swarm.worker(**CLONES)
    await built(swarm, worker, failed())
    await left(swarm, worker)
    await swarm.worker("other", **{**CLONES, "repository": "elsewhere"})
    await retry(swarm)

    await swarm.add(task("a", land=False, description="said better"))

    assert await swarm.status("a") == "not_started"
