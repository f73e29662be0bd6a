"""A scrape returns the state of the swarm under the documented names."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.engine import EngineHarness, engine_harness, outcome, task
from support.figures import documented
from swarmd.domain.budget import Caps
from swarmd.domain.model import Usage
from swarmd.domain.shared_budget import BudgetKind, PlannedBudget
from swarmd.engine.attempts.sessions import SessionEnd, SessionProgress
from swarmd.engine.live.wakeups import SubscriberKind
from swarmd.metrics.exposition import Metrics
from swarmd.metrics.meters import Meters

Samples = Mapping[str, float]
NIGHT = PlannedBudget(BudgetKind.PLAN, "night", Caps(800_000_000))
AMOUNTS = ("cap", "spent", "reserved")


@dataclass
class Scraped:
    """An engine with metrics."""

    on: EngineHarness
    metrics: Metrics

    async def scrape(self) -> Samples:
        """Returns every sample in the text form of Prometheus."""
        text = (await self.metrics.expose()).decode()
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return found


@pytest.fixture
async def measured(tmp_path: Path) -> AsyncIterator[Scraped]:
    meters = Meters()
    async with engine_harness(tmp_path / "swarm.db", observer=meters) as on:
        yield Scraped(on, Metrics(on.swarm, meters, started_us=1_000_000))


async def test_the_table_in_the_docs_is_what_a_scrape_gets(measured: Scraped) -> None:
    on = measured.on
    await on.add(task("a"), budget=NIGHT)
    worker = await on.worker()
    await worker.complete("a")
    worker.beat()
    meters = on.swarm.observer
    meters.called("FinishTask", 0.1, "INTERNAL")
    text = (await measured.metrics.expose()).decode()

    found = {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith("process_"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[name] = (family.type, frozenset(labels))

    assert found == documented()


async def test_the_state_is_that_of_the_moment(measured: Scraped) -> None:
    on = measured.on
    await on.add(*[task(f"t{i}") for i in range(3)], task("after", "t0"))
    on.clock.pass_s(30)

    before = await measured.scrape()
    worker = await on.worker(slots=2)
    await worker.start(await worker.claim("t0"))
    after = await measured.scrape()

    assert before['swarm_tasks{status="not_started"}'] == before["swarm_ready_tasks"] == 3
    assert before['swarm_tasks{status="blocked"}'] == 1
    assert before["swarm_oldest_ready_task_seconds"] == 30
    assert before["swarm_slots"] == before['swarm_workers{status="online"}'] == 0
    assert after["swarm_ready_tasks"] == 1
    assert (after["swarm_slots"], after['swarm_workers{status="online"}']) == (2, 1)
    assert (after['swarm_leases{state="claimed"}'], after['swarm_leases{state="started"}']) == (1, 1)
    assert after['swarm_streams{kind="claims"}'] == 1
    assert after['swarm_mode{mode="running"}'] == 1


async def test_waits_sessions_and_attempts_are_counted(measured: Scraped) -> None:
    on = measured.on
    await on.add(task("a", max_retries=0), task("b"))
    on.clock.pass_s(4)
    worker = await on.worker(slots=2)
    for task_id in ("a", "b"):
        claim = await worker.claim(task_id)
        on.clock.pass_s(2)
        await worker.start(claim, session_id=f"s-{task_id}")
        on.clock.pass_s(20)
        end = SessionEnd(claim.lease_id, f"s-{task_id}", 0, Usage(100, 10, 2_500_000_000))
        for _ in range(2):
            await on.swarm.db.write(partial(on.swarm.sessions.record_end, worker=worker.name, end=end))
        result = outcome("completed") if task_id == "b" else outcome("failed", failure="timeout")
        await worker.finish(claim, result)
    found = await measured.scrape()

    assert (found["swarm_dispatch_latency_seconds_count"], found["swarm_dispatch_latency_seconds_sum"]) == (
        2,
        8,
    )
    assert found["swarm_claim_latency_seconds_count"] == 2
    assert found["swarm_claim_latency_seconds_sum"] == pytest.approx(2 + 24)
    assert found['swarm_session_duration_seconds_count{role="builder"}'] == 2
    assert found['swarm_session_duration_seconds_sum{role="builder"}'] == 40
    assert found['swarm_attempts_total{failure_class="",outcome="completed"}'] == 1
    assert found['swarm_attempts_total{failure_class="timeout",outcome="failed"}'] == 1
    assert found['swarm_attempts_total{failure_class="stalled",outcome="failed"}'] == 0
    assert found['swarm_tokens_total{direction="input",role="builder"}'] == 200
    assert found['swarm_cost_dollars_total{role="builder"}'] == 5
    assert found["swarm_commit_duration_seconds_count"] > 5
    assert found["swarm_commit_writes_sum"] >= found["swarm_commit_writes_count"]


async def test_a_shared_budget_shows_its_cap_what_is_spent_and_what_is_reserved(measured: Scraped) -> None:
    on = measured.on
    await on.add(task("a"), task("b"), budget=NIGHT)
    worker = await on.worker(slots=2)
    claim = await worker.claim("a")
    await worker.start(claim)
    usage = Usage(10, 1, 300_000_000)
    progress = SessionProgress(claim.lease_id, "a-a1-builder-1", (), usage)
    await on.swarm.db.write(partial(on.swarm.sessions.record_progress, worker=worker.name, progress=progress))

    found = await measured.scrape()

    labels = 'kind="plan",name="night"'
    amounts = {word: found[f'swarm_budget_dollars{{amount="{word}",{labels}}}'] for word in AMOUNTS}
    assert amounts == {"cap": 0.8, "spent": 0.3, "reserved": pytest.approx(0.2)}, (
        "the floor, less what is spent"
    )
    assert found[f"swarm_budget_reached{{{labels}}}"] == 0
    assert found["swarm_spent_dollars_total"] == 0.3


async def test_silence_and_stops_show(measured: Scraped) -> None:
    on = measured.on
    await on.add(task("a"))
    worker = await on.worker()
    await worker.start(await worker.claim("a"))
    for _ in range(5):
        on.clock.pass_s(9)
        await on.swarm.check_leases()
    silent = await measured.scrape()
    worker.beat()
    await on.drain_writes()
    await on.swarm.db.write(partial(on.swarm.control.emergency_stop, cause="x"), urgent=True)
    stopped = await measured.scrape()

    assert silent["swarm_oldest_heartbeat_seconds"] == 45
    assert silent['swarm_workers{status="suspect"}'] == 1
    assert stopped["swarm_heartbeat_gap_seconds_sum"] == 45
    assert stopped['swarm_workers{status="suspect"}'] == 0
    assert (stopped['swarm_mode{mode="stopped"}'], stopped["swarm_emergency_stops_total"]) == (1, 1)


async def test_subscribers_are_counted_with_their_lag(measured: Scraped) -> None:
    on = measured.on
    await on.add(task("a"))
    with on.swarm.wakeups.subscribe(SubscriberKind.EVENTS, 1), on.swarm.wakeups.subscribe(SubscriberKind.LOG):
        during = await measured.scrape()
    after = await measured.scrape()

    last = during["swarm_events_total"]
    assert during['swarm_feed_lag_events{reader="events"}'] == last - 1 > 0
    assert (during['swarm_streams{kind="events"}'], during['swarm_streams{kind="log"}']) == (1, 1)
    assert after['swarm_feed_lag_events{reader="events"}'] == after['swarm_streams{kind="log"}'] == 0


async def test_no_label_holds_what_a_task_or_a_worker_says_of_itself(measured: Scraped) -> None:
    on = measured.on
    odd = "wholly-unexpected"
    await on.add(task(odd, name=odd, phase=odd, type=odd, max_retries=0))
    worker = await on.worker(odd, runner=odd, host=odd, labels={odd: odd})
    claim = await worker.claim(odd)
    await worker.start(claim, session_id=odd)
    progress = SessionProgress(claim.lease_id, odd, (), Usage(1, 1, 1))
    await on.swarm.db.write(lambda tx: on.swarm.sessions.record_progress(tx, worker.name, progress))
    await worker.finish(claim, outcome("failed", failure="crashed", error=odd))

    assert odd not in (await measured.metrics.expose()).decode()
