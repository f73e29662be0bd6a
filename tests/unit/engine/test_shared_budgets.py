"""Budgets that tasks share: claims reserve, sessions that pass one are ended together, a person or a new day frees."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from support.engine import EngineHarness, FakeWorker, engine_harness, outcome, task
from swarmd.domain.budget import NANO, Caps, Spent, read_dollars
from swarmd.domain.claim import Claim
from swarmd.domain.errors import BudgetNotFound, InvalidRequest
from swarmd.domain.model import Usage
from swarmd.domain.shared_budget import BudgetKind, PlannedBudget, SharedBudget, need_of
from swarmd.engine.attempts.sessions import SessionProgress
from swarmd.engine.reports import explain
from swarmd.engine.tasks import shared_budgets
from swarmd.store import holds
from swarmd.store import shared_budgets as store
from swarmd.store.reads import inbox

DAY_S = 86_400.0


def budget(
    cost: str, kind: str = "plan", name: str = "default", *, tokens: int | None = None
) -> PlannedBudget:
    caps = Caps(read_dollars(cost, "max_cost") if cost else None, tokens)
    return PlannedBudget(BudgetKind(kind), "" if kind == "day" else name, caps)


@pytest.fixture
async def swarm(tmp_path: Path) -> AsyncIterator[EngineHarness]:
    async with engine_harness(tmp_path / "swarm.db") as harness:
        yield harness


async def spend(worker: FakeWorker, claim: Claim, cost: str) -> None:
    """Reports the whole cost of the builder so far."""
    session = f"{claim.definition.task_id}-a{claim.number}-builder-{claim.epoch}"
    progress = SessionProgress(claim.lease_id, session, (), Usage(0, 0, read_dollars(cost, "cost")))
    record = partial(worker.swarm.sessions.record_progress, worker=worker.name, progress=progress)
    await worker.swarm.db.write(record)


async def standing(swarm: EngineHarness) -> list[SharedBudget]:
    return list(await swarm.swarm.db.read(store.find_all))


async def reserved(swarm: EngineHarness) -> list[str]:
    return [f"{found.reserved.cost_nano / NANO:.2f}" for found in await standing(swarm)]


async def raise_shared(swarm: EngineHarness, cost: str, kind: str = "plan", name: str = "") -> SharedBudget:
    added = Spent(read_dollars(cost, "add_cost"), 0)
    write = partial(shared_budgets.raise_budget, kind=BudgetKind(kind), name=name, added=added, actor="kim")
    return await swarm.swarm.db.write(write)


async def why(swarm: EngineHarness, task_id: str) -> str:
    waiting, live = await swarm.task(task_id), swarm.swarm.live
    facts = await swarm.swarm.db.read(lambda tx: explain.read_facts(tx, waiting, live, exclusive_files=False))
    return "; ".join(reason.message for reason in explain.reasons(facts, live, swarm.swarm.retry_timers))


async def claimed(worker: FakeWorker) -> Sequence[str]:
    await worker.receive()
    return [claim.definition.task_id for claim in worker.claims]


async def test_claims_reserve_so_that_slots_can_not_overrun_the_plan_together(swarm: EngineHarness) -> None:
    await swarm.add(*(task(name, max_cost_nano=NANO) for name in "abcd"), budget=budget("2.50"))
    worker = await swarm.worker(slots=4)

    assert await claimed(worker) == ["a", "b"]
    assert await reserved(swarm) == ["2.00"]
    assert await why(swarm, "c") == (
        "it waits for the budget of the plan: cap 2.50, spent 0.00, reserved 2.00, and the task may need 1.00; "
        "what runs may leave some of it; `swarmctl budget --plan --add DOLLARS` raises it"
    )
    assert "budget_reached" not in await swarm.kinds()

    claim = await worker.claim("a")
    await worker.start(claim)
    await spend(worker, claim, "0.40")
    assert await reserved(swarm) == ["1.60"], "what is spent is reserved no more"
    await worker.finish(claim, outcome("completed"))

    assert await claimed(worker) == ["a", "b", "c"]
    assert await swarm.statuses("c", "d") == ["claimed", "not_started"]


async def test_nothing_is_reserved_when_nothing_runs_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "swarm.db"
    async with engine_harness(path) as swarm:
        await swarm.add(task("a"), task("b"), budget=budget("5"))
        worker = await swarm.worker(slots=2)
        await worker.start(await worker.claim("a"))
        assert await reserved(swarm) == ["1.00"], "the floor, for each of the two"
    async with engine_harness(path) as swarm:
        assert await reserved(swarm) == ["1.00"], "the restart forgets no reservation"
        await swarm.worker(held=())  # it has lost both, and has one slot now
        assert await reserved(swarm) == ["0.50"]
        await swarm.kill("a", "b")
        assert await reserved(swarm) == ["0.00"]


async def test_usage_that_passes_the_plan_ends_all_its_sessions_and_holds_the_tasks(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a", max_retries=0), task("b", max_retries=0), task("c"), budget=budget("1.00"))
    await swarm.add(task("other"))
    worker = await swarm.worker(slots=4)
    claims = [await worker.claim(name) for name in ("a", "b", "other")]
    assert await swarm.status("c") == "not_started"
    for claim in claims:
        assert await worker.start(claim) is None

    await spend(worker, claims[0], "0.50")
    await spend(worker, claims[1], "0.50")
    assert not worker.beat(*claims), "what meets the cap has not passed it"
    await spend(worker, claims[0], "0.53")

    ordered = {order.lease_id for order in worker.beat(*claims)}
    assert ordered == {claims[0].lease_id, claims[1].lease_id}
    for claim in claims[:2]:
        await worker.finish(claim, outcome("stopped"))
    assert await swarm.statuses("a", "b", "c", "other") == ["held", "held", "not_started", "in_progress"]
    found = await swarm.swarm.db.read(partial(holds.lasting, key=(await swarm.task("a")).key))
    assert found is not None
    assert found.text == "budget of the plan: cap 1.00, spent 1.03"
    assert (await swarm.task("a")).failures == 0
    assert await reserved(swarm) == ["0.00"]
    assert (await swarm.kinds()).count("budget_reached") == 1
    listed = await swarm.swarm.db.read(inbox.read)
    assert [waiting.text for waiting in listed.budgets] == ["the plan"]


async def test_a_raise_of_the_plan_frees_what_it_held_and_what_waited(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b"), budget=budget("0.50"))
    worker = await swarm.worker(slots=2)
    claim = await worker.claim("a")
    await worker.start(claim)
    await spend(worker, claim, "0.60")
    await worker.finish(claim, outcome("stopped"))
    assert await swarm.statuses("a", "b") == ["held", "not_started"]

    await raise_shared(swarm, "0.05")
    assert await swarm.status("a") == "held", "0.60 is more than 0.55"
    raised = await raise_shared(swarm, "1.45")

    assert (raised.caps.cost_nano, raised.spent.cost_nano) == (2 * NANO, NANO * 6 // 10)
    assert await claimed(worker) == ["a", "a", "b"]
    assert not (await swarm.swarm.db.read(inbox.read)).budgets


async def test_a_session_starts_only_if_the_budget_leaves_something(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), budget=budget("1.00"))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await spend(worker, claim, "1.00")

    assert await worker.start(claim, "validator") is not None
    await worker.finish(claim, outcome("stopped"))
    assert await swarm.status("a") == "held"


async def test_a_failed_attempt_waits_for_the_budget_and_is_not_held(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_retries=2), budget=budget("1.00"))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await spend(worker, claim, "1.00")

    await worker.finish(claim, outcome("failed", failure="agent_error", error="it broke"))
    await swarm.after_backoff()

    assert await swarm.status("a") == "not_started"
    assert "budget of the plan: cap 1.00, spent 1.00" in await why(swarm, "a")


async def test_a_budget_smaller_than_any_need_lets_one_task_run_at_a_time(swarm: EngineHarness) -> None:
    await swarm.add(task("a", max_cost_nano=9 * NANO), task("b"), budget=budget("0.20"))
    worker = await swarm.worker(slots=2)

    assert await claimed(worker) == ["a"]


async def test_the_budget_of_a_day_ends_with_the_day(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db", budgets=[budget("0.60", "day")]) as swarm:
        await swarm.add(task("a"), task("b"), task("c"))
        worker = await swarm.worker(slots=2)
        claim = await worker.claim("a")
        await worker.start(claim)
        await spend(worker, claim, "0.70")
        await worker.finish(claim, outcome("stopped"))
        assert await swarm.statuses("a", "b", "c") == ["held", "not_started", "not_started"]
        assert "the next day begins at 00:00 UTC" in await why(swarm, "b")
        await raise_shared(swarm, "0.01", "day")
        assert await swarm.status("a") == "held"

        swarm.clock.wall_offset_us += int(DAY_S * 1e6)
        await swarm.swarm.check_leases()

        assert await swarm.status("a") == "claimed"
        [day] = await standing(swarm)
        assert (day.caps.cost_nano, day.spent.cost_nano) == (NANO * 6 // 10, 0), "the raise was for that day"


async def test_another_account_pays_while_one_has_nothing_left(tmp_path: Path) -> None:
    caps = [budget("0.50", "account", "alpha"), budget("9", "account", "beta")]
    async with engine_harness(tmp_path / "swarm.db", budgets=caps) as swarm:
        alpha = await swarm.worker("w1", slots=2, labels={"account": "alpha"})
        await swarm.add(task("a"), task("b"))
        claim = await alpha.claim("a")
        assert await claimed(alpha) == ["a"]
        beta = await swarm.worker("w2", slots=1, labels={"account": "beta"})
        assert await claimed(beta) == ["b"]

        await alpha.start(claim)
        other = await beta.claim("b")
        await beta.start(other)
        await spend(alpha, claim, "0.51")

        assert [order.lease_id for order in alpha.beat(claim)] == [claim.lease_id]
        assert not beta.beat(other)


async def test_settings_that_lose_a_budget_free_what_it_held(tmp_path: Path) -> None:
    path = tmp_path / "swarm.db"
    async with engine_harness(path, budgets=[budget("0.50", "day")]) as swarm:
        await swarm.add(task("a"))
        worker = await swarm.worker()
        claim = await worker.claim("a")
        await worker.start(claim)
        await spend(worker, claim, "0.51")
        await worker.finish(claim, outcome("stopped"))
        assert await swarm.status("a") == "held"
    async with engine_harness(path, budgets=[budget("0.50", "day")]) as swarm:
        assert await swarm.status("a") == "held", "a restart frees nothing"
    async with engine_harness(path) as swarm:
        assert await swarm.status("a") == "not_started"


async def test_the_order_of_a_shared_budget_outlives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "swarm.db"
    async with engine_harness(path) as swarm:
        await swarm.add(task("a"), task("b"), budget=budget("1.00"))
        worker = await swarm.worker(slots=2)
        claims = [await worker.claim("a"), await worker.claim("b")]
        for claim in claims:
            await worker.start(claim)
        await spend(worker, claims[0], "1.03")
    async with engine_harness(path) as swarm:
        worker = await swarm.worker(slots=2, held=[claim.lease_id for claim in claims])
        assert len(worker.beat(*claims)) == 2


async def test_what_tasks_spent_before_they_joined_the_plan_counts_once(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await spend(worker, claim, "0.30")
    await swarm.add(task("a"), task("b"), budget=budget("5"))
    await spend(worker, claim, "0.40")
    await spend(worker, claim, "0.35")  # an older report that comes late
    await swarm.add(task("a"), task("b"), budget=budget("6"))

    [plan] = await standing(swarm)
    assert (plan.caps.cost_nano, plan.spent.cost_nano) == (6 * NANO, NANO * 4 // 10)
    spending = await swarm.swarm.db.read(store.spending)
    assert spending.spent.cost_nano == spending.today.cost_nano == NANO * 4 // 10
    await worker.finish(claim, outcome("completed"))
    await swarm.kill("b")
    await swarm.add(task("z"), clear=True)
    assert await standing(swarm) == []
    assert (await swarm.swarm.db.read(store.spending)).spent.cost_nano == NANO * 4 // 10, "spent is spent"


async def test_a_kind_of_task_reserves_what_nine_of_ten_have_cost(swarm: EngineHarness) -> None:
    pages = [task(f"p{n}", type="page") for n in range(4)]
    await swarm.add(*pages, task("x", type="api"), budget=budget("50"))
    worker = await swarm.worker()
    for n in range(3):
        claim = await worker.claim(f"p{n}")
        await worker.start(claim)
        await spend(worker, claim, f"{n + 1}")
        await worker.finish(claim, outcome("completed"))

    await worker.claim("p3")
    assert await reserved(swarm) == ["3.00"]


@pytest.mark.parametrize(
    ("caps", "spent", "examples", "need"),
    [
        (Caps(), Spent(), [], "0.50"),
        (Caps(3 * NANO), Spent(NANO), [], "2.00"),
        (Caps(NANO // 10), Spent(), [Spent(2 * NANO)] * 3, "0.10"),
        (Caps(), Spent(), [Spent(n * NANO) for n in range(1, 11)], "9.00"),
        (Caps(), Spent(), [Spent(NANO), Spent(5 * NANO)], "0.50"),
    ],
)
def test_the_need_of_an_attempt(caps: Caps, spent: Spent, examples: list[Spent], need: str) -> None:
    assert f"{need_of(caps, spent, examples).cost_nano / NANO:.2f}" == need


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (budget("0"), "budget.max_cost: is 0, so that no task could ever start"),
        (budget("", tokens=0), "budget.max_tokens: is 0, so that no task"),
        (budget(""), "budget: has no cap; give max_cost in dollars, or max_tokens"),
        (budget("1", name="a b"), "budget.name: 'a b' is no name"),
    ],
)
async def test_a_budget_that_nobody_can_mean_is_refused_and_changes_nothing(
    swarm: EngineHarness, wanted: PlannedBudget, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        await swarm.add(task("a"), budget=wanted)
    assert not await swarm.events("a")


async def test_a_raise_of_a_budget_that_is_not_there_says_how_to_set_one(swarm: EngineHarness) -> None:
    with pytest.raises(
        BudgetNotFound, match="there is no budget of a plan; `swarmctl import FILE --max-cost"
    ):
        await raise_shared(swarm, "1")
    await swarm.add(task("a"), budget=budget("1", name="night"))
    with pytest.raises(BudgetNotFound, match="no budget of a plan named 'x'; name one of night"):
        await raise_shared(swarm, "1", name="x")
    assert (await raise_shared(swarm, "1")).name == "night"
    with pytest.raises(InvalidRequest, match="adds nothing"):
        await raise_shared(swarm, "0")
