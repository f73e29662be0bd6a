"""Budgets of tasks: what passes a cap ends the session, and holds the task until a person raises the cap."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.engine import EngineHarness, FakeWorker, engine_harness, outcome, task
from swarmd.domain.budget import NANO, Caps, Spent, dollars, read_dollars
from swarmd.domain.claim import Claim
from swarmd.domain.errors import HoldRefused, InvalidRequest
from swarmd.domain.holds import HoldKind
from swarmd.domain.model import OrderAction, Usage
from swarmd.engine.attempts.sessions import SessionEnd, SessionProgress
from swarmd.engine.reports import explain
from swarmd.engine.tasks import budgets, holding, lookup
from swarmd.store import holds


@pytest.fixture
async def swarm(tmp_path: Path) -> AsyncIterator[EngineHarness]:
    async with engine_harness(tmp_path / "swarm.db") as harness:
        yield harness


def capped(task_id: str = "a", *dependencies: str, cost: str = "1.00", **fields: Any) -> Any:
    return task(task_id, *dependencies, max_cost_nano=read_dollars(cost, "max_cost"), **fields)


async def spend(
    worker: FakeWorker, claim: Claim, cost: str, *, role: str = "builder", tokens: int = 0
) -> None:
    """Reports the whole usage of a session so far."""
    usage = Usage(tokens, 0, read_dollars(cost, "cost") if cost else None)
    session = f"{claim.definition.task_id}-a{claim.number}-{role}-{claim.epoch}"
    progress = SessionProgress(claim.lease_id, session, (), usage)
    record = partial(worker.swarm.sessions.record_progress, worker=worker.name, progress=progress)
    await worker.swarm.db.write(record)


async def end(worker: FakeWorker, claim: Claim, cost: str, *, tokens: int = 0, exit_code: int = 0) -> None:
    session = f"{claim.definition.task_id}-a{claim.number}-builder-{claim.epoch}"
    usage = Usage(tokens, 0, read_dollars(cost, "cost") if cost else None)
    ended = SessionEnd(claim.lease_id, session, exit_code, usage)
    await worker.swarm.db.write(partial(worker.swarm.sessions.record_end, worker=worker.name, end=ended))


async def raise_cap(swarm: EngineHarness, cost: str = "2", name: str = "a", *, tokens: int = 0) -> None:
    added = Spent(read_dollars(cost, "add_cost"), tokens)
    await swarm.swarm.db.write(partial(budgets.raise_budget, name=name, added=added, actor="kim"))


async def hold_text(swarm: EngineHarness, task_id: str = "a") -> str:
    key = (await swarm.task(task_id)).key
    found = await swarm.swarm.db.read(partial(holds.lasting, key=key))
    assert found is not None
    assert found.kind is HoldKind.BUDGET
    return found.text


async def test_usage_that_passes_the_cap_ends_the_session_and_holds_the_task(swarm: EngineHarness) -> None:
    await swarm.add(capped(max_retries=0), task("after", "a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    assert await worker.start(claim) is None

    await spend(worker, claim, "1.00")
    assert not worker.beat(claim), "what meets the cap has not passed it"
    await spend(worker, claim, "1.03")

    [order] = worker.beat(claim)
    assert order.action is OrderAction.STOP
    await worker.finish(claim, outcome("stopped", error=order.cause))
    assert await swarm.statuses("a", "after") == ["held", "blocked"]
    assert await hold_text(swarm) == "cap 1.00, spent 1.03"
    held = await swarm.task("a")
    assert (held.failures, held.losses, held.failure_class) == (0, 0, "budget_exhausted")
    await swarm.after_backoff()
    await worker.receive()
    assert len(worker.claims) == 1, "a held task is given to nobody"


async def test_a_raise_lets_the_task_go_on_and_counts_what_was_spent(swarm: EngineHarness) -> None:
    await swarm.add(capped())
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await spend(worker, claim, "1.03")
    await worker.finish(claim, outcome("stopped"))

    await raise_cap(swarm, "0.01")
    assert await swarm.status("a") == "held", "nothing is left to spend"
    await raise_cap(swarm, "0.99")

    again = await worker.claim("a")
    assert (again.number, (await swarm.task("a")).max_cost_nano) == (2, 2 * NANO)
    assert await worker.start(again) is None
    await spend(worker, again, "0.96")
    assert not worker.beat(again)
    await spend(worker, again, "0.98")
    assert worker.beat(again), "1.03 and 0.98 are more than 2"


async def test_a_validator_starts_only_if_something_is_left(swarm: EngineHarness) -> None:
    await swarm.add(capped())
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await end(worker, claim, "1.00")

    order = await worker.start(claim, "validator")

    assert order is not None
    assert order.action is OrderAction.STOP
    await worker.finish(claim, outcome("stopped"))
    assert await hold_text(swarm) == "cap 1.00, spent 1.00"


@pytest.mark.parametrize(
    ("fields", "runner", "tokens", "text"),
    [
        (
            {"max_cost_nano": NANO},
            "command",
            0,
            "max_cost can't be enforced: runner command reports no usage; remove the cap",
        ),
        (
            {"max_cost_nano": NANO},
            "amplifier",
            9,
            "max_cost can't be enforced: runner amplifier reports tokens and no cost; give max_tokens in its place",
        ),
        (
            {"max_tokens": 100},
            "command",
            0,
            "max_tokens can't be enforced: runner command reports no usage; remove the cap",
        ),
    ],
)
async def test_a_cap_that_can_not_be_enforced_holds_the_task(
    swarm: EngineHarness, fields: dict[str, Any], runner: str, tokens: int, text: str
) -> None:
    await swarm.add(task("a", **fields))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim, runner=runner)
    await end(worker, claim, "", tokens=tokens)

    assert await worker.start(claim, "validator", runner=runner) is not None
    await worker.finish(claim, outcome("stopped"))

    assert await hold_text(swarm) == text
    await swarm.add(task("a"))
    await swarm.retry("a")
    assert await swarm.status("a") == "claimed", "without the cap it goes on"


async def test_a_session_that_fails_without_usage_says_nothing_about_its_runner(swarm: EngineHarness) -> None:
    await swarm.add(capped())
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await end(worker, claim, "", exit_code=1)

    await worker.finish(claim, outcome("failed", failure="agent_error", error="no network"))

    assert await swarm.status("a") == "not_started"


async def test_work_that_completes_above_its_cap_is_completed(swarm: EngineHarness) -> None:
    await swarm.add(capped())
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await spend(worker, claim, "1.03")

    await worker.finish(claim, outcome("completed"))

    assert await swarm.status("a") == "completed"


@pytest.mark.parametrize("fields", [{"max_cost_nano": 0}, {"max_tokens": 0}])
async def test_a_cap_of_zero_holds_the_task_at_once(swarm: EngineHarness, fields: dict[str, Any]) -> None:
    await swarm.add(task("a", **fields), task("b"))
    worker = await swarm.worker()

    await worker.receive()

    assert [claim.definition.task_id for claim in worker.claims] == ["b"]
    assert await swarm.status("a") == "held"
    assert "0" in await hold_text(swarm)


async def test_tokens_have_a_cap_too(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_tokens=1_000))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)

    await spend(worker, claim, "", tokens=1_200)

    assert worker.beat(claim)
    await worker.finish(claim, outcome("stopped"))
    assert await hold_text(swarm) == "cap 1,000 tokens, spent 1,200"


async def test_a_failed_attempt_with_nothing_left_is_held_and_not_retried(swarm: EngineHarness) -> None:
    await swarm.add(capped(max_retries=2))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await spend(worker, claim, "1.00")

    await worker.finish(claim, outcome("failed", failure="agent_error", error="it broke"))

    held = await swarm.task("a")
    assert (held.status, held.failures, held.last_error) == ("held", 0, "it broke")


async def test_a_failure_that_no_attempt_can_mend_stays_a_failure(swarm: EngineHarness) -> None:
    await swarm.add(capped(max_retries=2))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await spend(worker, claim, "1.03")

    await worker.finish(claim, outcome("failed", failure="bad_check", error="no such program"))

    assert await swarm.status("a") == "failed"


async def test_the_order_outlives_a_restart_of_the_server(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as swarm:
        await swarm.add(capped())
        worker = await swarm.worker()
        claim = await worker.claim("a")
        await worker.start(claim)
        await spend(worker, claim, "1.03")

    async with engine_harness(tmp_path / "swarm.db") as swarm:
        worker = await swarm.worker(held=[claim.lease_id])
        [order] = worker.beat(claim)
        assert order.action is OrderAction.STOP
        await worker.finish(claim, outcome("stopped"))
        assert await hold_text(swarm) == "cap 1.00, spent 1.03"


async def test_a_raise_before_the_end_costs_no_retry(swarm: EngineHarness) -> None:
    await swarm.add(capped(max_retries=0))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await spend(worker, claim, "1.03")

    await raise_cap(swarm)
    await worker.finish(claim, outcome("stopped"))

    again = await worker.claim("a")
    found = await swarm.task("a")
    assert (again.number, found.status, found.failures, found.losses) == (2, "claimed", 0, 0)
    assert again.clone is None


async def test_a_late_report_of_an_earlier_attempt_ends_the_present_one(swarm: EngineHarness) -> None:
    await swarm.add(capped())
    worker = await swarm.worker()
    first = await worker.claim("a")
    await worker.start(first)
    await worker.finish(first, outcome("failed", failure="agent_error", error="it broke"))
    await swarm.after_backoff()
    second = await worker.claim("a")
    await worker.start(second)

    await spend(worker, first, "1.03")

    assert worker.beat(second)


async def test_a_retry_does_not_raise_the_cap(swarm: EngineHarness) -> None:
    await swarm.add(capped(cost="0"))
    worker = await swarm.worker()
    await worker.receive()

    await swarm.retry("a")

    assert await swarm.status("a") == "held"
    with pytest.raises(HoldRefused, match="swarmctl budget a --add DOLLARS"):
        await swarm.swarm.db.write(partial(holding.unhold, name="a", actor="kim"))


async def test_explain_says_what_raises_the_cap(swarm: EngineHarness) -> None:
    await swarm.add(capped(cost="0"))
    worker = await swarm.worker()
    await worker.receive()
    live = swarm.swarm.live

    facts = await swarm.swarm.db.read(
        lambda tx: explain.read_facts(tx, lookup.resolve(tx, "a"), live, exclusive_files=False)
    )
    [reason] = explain.reasons(facts, live, swarm.swarm.retry_timers)

    assert reason.message == (
        "its budget is used up: cap 0.00, spent 0.00; `swarmctl budget a --add DOLLARS` lets it go on"
    )


@pytest.mark.parametrize(
    ("cost", "tokens", "fault"),
    [("0", 0, "adds nothing"), ("0", 5, "has no max_tokens"), ("1000000", 0, "above a million dollars")],
)
async def test_a_raise_that_can_not_be_is_refused(
    swarm: EngineHarness, cost: str, tokens: int, fault: str
) -> None:
    await swarm.add(capped())

    with pytest.raises(InvalidRequest, match=fault):
        await raise_cap(swarm, cost, tokens=tokens)

    assert (await swarm.task("a")).max_cost_nano == NANO


@pytest.mark.parametrize("text", ["-1", "x", "1000001", "0.0000000001", "NaN", "Infinity", "1e99"])
def test_senseless_amounts_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="must be dollars"):
        read_dollars(text, "max_cost")


def test_amounts_are_exact() -> None:
    assert dollars(read_dollars("0.1", "x") * 3) == "0.30"
    assert dollars(read_dollars("12.345678901", "x")) == "12.345678901"
    assert Caps(cost_nano=5).used_up(Spent(5))
    assert not Caps(cost_nano=5).passed(Spent(5))
    assert Caps(cost_nano=5).passed(Spent(6))
    assert not Caps().used_up(Spent(10**15))
