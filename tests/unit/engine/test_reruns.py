"""Completed tasks that run again: what is asked for, what is put back, and what is not found again."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest

from support.engine import EngineHarness, outcome, task
from swarmd.domain.errors import InvalidStatus
from swarmd.domain.landing import ReportedChange
from swarmd.domain.model import DependencyFailurePolicy
from swarmd.domain.retry_terms import RetryTerms
from swarmd.domain.workspaces import RetryFrom, WorkspaceKind
from swarmd.engine.tasks import retrying
from swarmd.rpc import claims
from unit.engine.test_approvals import CLONES, built, landed
from unit.engine.test_landing_orders import drafted, granted, left, red

AGAIN = RetryTerms(completed=True)
ALL_AGAIN = RetryTerms(completed=True, with_dependents=True)


async def retry(
    swarm: EngineHarness, name: str = "a", terms: RetryTerms = AGAIN, *, actor: str = "kim"
) -> Sequence[str]:
    write = partial(retrying.retry, name=name, terms=terms, actor=actor)
    return (await swarm.swarm.db.write(write)).dependents


async def test_a_completed_task_runs_again_only_if_that_is_asked_for(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    await worker.complete("a")

    with pytest.raises(InvalidStatus, match="--completed runs it again"):
        await retry(swarm, terms=RetryTerms())
    assert await swarm.status("a") == "completed"
    await retry(swarm)
    assert await retry(swarm, actor="sam") == [], "the second of two people changes nothing"

    assert ((await swarm.task("a")).status, (await swarm.task("a")).attempt) == ("claimed", 2)
    assert not claims.write(await worker.claim("a"), traceparent="").findings, "nobody has rejected it"
    assert (await worker.complete("a")).status == "completed"


async def test_two_people_who_run_it_again_at_once_start_it_once(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    await worker.complete("a")

    await asyncio.gather(retry(swarm), retry(swarm, actor="sam"))

    assert (await swarm.task("a")).attempt == 2


async def test_what_has_built_on_it_is_named_previewed_and_put_back_with_the_reason(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"), task("b", "a"), task("c", "b"), task("d", "a"))
    worker = await swarm.worker(slots=4)
    for name in ("a", "b", "c"):
        await worker.complete(name)
    await swarm.kill("d")

    with pytest.raises(InvalidStatus, match="b, c built on it; --with-dependents puts them back too"):
        await retry(swarm)
    would = await swarm.swarm.db.read(partial(retrying.preview, name="a", terms=ALL_AGAIN))
    assert (await swarm.statuses("a", "b", "c"), would.dependents) == (["completed"] * 3, ["b", "c"])
    assert await retry(swarm, terms=ALL_AGAIN) == ["b", "c"]

    assert await swarm.statuses("a", "b", "c", "d") == ["claimed", "blocked", "blocked", "killed"]
    await worker.complete("a")
    [finding] = claims.write(await worker.claim("b"), traceparent="").findings
    assert finding.issue == "Task a, on which this one has built, runs again: see whether this still fits."


async def test_a_dependent_that_runs_has_to_end_first(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b", "a"))
    worker = await swarm.worker()
    await worker.complete("a")

    with pytest.raises(InvalidStatus, match="b depends on it and is claimed"):
        await retry(swarm, terms=ALL_AGAIN)


async def test_a_failed_task_puts_back_what_has_built_on_it_only_if_asked(swarm: EngineHarness) -> None:
    await swarm.add(
        task("a", max_retries=0), task("b", "a", on_dependency_failure=DependencyFailurePolicy.RUN)
    )
    worker = await swarm.worker()
    await worker.fail("a")
    await worker.complete("b")

    assert await retry(swarm, terms=RetryTerms()) == []
    assert await swarm.statuses("a", "b") == ["claimed", "completed"]
    await worker.fail("a")
    assert await retry(swarm, terms=RetryTerms(with_dependents=True)) == ["b"]


async def test_landed_work_stays_and_its_landing_is_not_found_again(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker(**{**CLONES, "workspace": WorkspaceKind.CLONE})
    change = ReportedChange("base", "head", json.dumps({"ref": "r"}), b"")
    first = await built(swarm, worker, replace(landed("c1"), change=change))
    await retry(swarm)

    claim = await worker.claim("a")
    assert claim.clone is not None
    assert (claim.clone.first_base, claim.clone.previous_head) == ("c1", "")
    assert claim.creation, "it has a name"
    assert claim.creation != first.creation, "what is on the target under the old name is not its own"


async def test_a_lost_attempt_of_a_rerun_is_still_found(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker(**{**CLONES, "workspace": WorkspaceKind.CLONE})
    await built(swarm, worker, landed("c1"))
    await retry(swarm)
    claim = await worker.claim("a")
    assert await worker.start(claim) is None
    await swarm.kill("a")
    await worker.finish(claim, outcome("stopped"))

    await retry(swarm, terms=RetryTerms())

    assert (await worker.claim("a")).creation == claim.creation, "a killed attempt may have landed unheard"


@pytest.mark.parametrize("start", RetryFrom)
async def test_from_holds_for_one_attempt_that_works(swarm: EngineHarness, start: RetryFrom) -> None:
    await swarm.add(task("a", max_retries=0))
    worker = await swarm.worker(**{**CLONES, "workspace": WorkspaceKind.CLONE})
    await worker.fail("a")

    await retry(swarm, terms=RetryTerms(retry_from=start))

    claim = await worker.claim("a")
    assert claim.definition.retry_from is start
    await worker.fail("a")
    await retry(swarm, terms=RetryTerms())
    assert (await worker.claim("a")).definition.retry_from is None


async def test_from_is_refused_where_the_files_are_in_the_project_root(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=0))
    worker = await swarm.worker()
    await worker.fail("a")

    with pytest.raises(
        InvalidStatus, match="in the project root itself, where its files are; leave --from out"
    ):
        await retry(swarm, terms=RetryTerms(retry_from=RetryFrom.BASE))


async def test_work_that_is_built_again_is_given_to_workers_of_any_repository(swarm: EngineHarness) -> None:
    worker = await swarm.worker(**{**CLONES, "workspace": WorkspaceKind.CLONE})
    await drafted(swarm, worker)
    await swarm.land("draft")
    claim = await worker.claim("draft")
    await granted(swarm, worker, claim)
    await worker.finish(claim, red("landing_conflict"))
    again = await worker.claim("draft")
    assert await worker.start(again) is None
    await worker.finish(again, landed("c2"))
    await left(swarm, worker)
    other = await swarm.worker("w2", **{**CLONES, "repository": "elsewhere"})

    await retry(swarm, "draft")

    assert (await other.claim("draft")).work is None
