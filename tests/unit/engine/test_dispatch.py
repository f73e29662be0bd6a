"""The assignment of ready tasks to workers."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from support.engine import EngineHarness, outcome, task
from swarmd.store.transaction import Tx

LIMITED = outcome("failed", failure="provider_limited", error="slow down")


async def test_a_ready_task_goes_to_an_idle_worker_in_the_write_that_added_it(swarm: EngineHarness) -> None:
    worker = await swarm.worker()

    await swarm.add(task("a"))

    await worker.receive()
    assert [claim.definition.task_id for claim in worker.claims] == ["a"]
    assert await swarm.status("a") == "claimed"


async def test_a_dependent_is_claimed_in_the_write_that_completes_its_dependency(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"), task("b", "a"))
    worker = await swarm.worker()

    result = await worker.complete("a")

    await worker.receive()
    assert result.disposition == "accepted"
    assert worker.claims[-1].definition.task_id == "b"


async def test_higher_priority_goes_first_and_then_the_order_of_import(swarm: EngineHarness) -> None:
    await swarm.add(task("low", priority=1), task("first"), task("high", priority=4), task("second"))

    worker = await swarm.worker(slots=4)

    await worker.receive()
    assert [claim.definition.task_id for claim in worker.claims] == ["high", "first", "second", "low"]


async def test_a_worker_never_holds_more_than_its_slots(swarm: EngineHarness) -> None:
    await swarm.add(*(task(f"t{number}") for number in range(5)))

    worker = await swarm.worker(slots=2)

    await worker.receive()
    assert len(worker.claims) == 2
    await worker.complete("t0")
    await worker.receive()
    assert [claim.definition.task_id for claim in worker.claims] == ["t0", "t1", "t2"]


async def test_tasks_spread_over_the_workers_that_wait(swarm: EngineHarness) -> None:
    workers = [await swarm.worker(f"w{number}", slots=3) for number in range(3)]

    await swarm.add(*(task(f"t{number}") for number in range(3)))

    for worker in workers:
        await worker.receive()
        assert len(worker.claims) == 1


async def test_a_task_waits_for_a_worker_with_its_labels_and_holds_nobody_up(swarm: EngineHarness) -> None:
    plain = await swarm.worker("plain", slots=2)

    await swarm.add(task("gpu-task", labels={"gpu": "yes"}, priority=4), task("any"))

    await plain.receive()
    assert [claim.definition.task_id for claim in plain.claims] == ["any"]
    fitting = await swarm.worker("fitting", labels={"gpu": "yes", "zone": "a"})
    await fitting.receive()
    assert [claim.definition.task_id for claim in fitting.claims] == ["gpu-task"]


async def test_a_claim_that_never_left_the_server_is_free_again(swarm: EngineHarness) -> None:
    worker = await swarm.worker()
    await swarm.add(task("a"))

    await swarm.swarm.close_stream(worker.server_side)

    assert await swarm.status("a") == "not_started"
    assert "task_released" in await swarm.kinds("a")


async def test_a_worker_that_hangs_up_while_it_registers_holds_nothing(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))

    joining = asyncio.create_task(swarm.worker("gone"))
    await asyncio.sleep(0)
    joining.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await joining
    await swarm.drain_writes()

    assert await swarm.status("a") == "not_started"
    other = await swarm.worker("other")
    assert (await other.complete("a")).status == "completed"


async def test_a_paused_swarm_claims_nothing_and_takes_back_what_has_not_started(
    swarm: EngineHarness,
) -> None:
    worker = await swarm.worker(slots=2)
    await swarm.add(task("started"), task("claimed"))
    assert await worker.start(await worker.claim("started")) is None

    await swarm.swarm.db.write(lambda tx: swarm.swarm.control.pause(tx, "lunch"))

    assert await swarm.statuses("started", "claimed") == ["in_progress", "not_started"]
    refused = await worker.start(await worker.claim("claimed"))
    assert refused is not None
    assert refused.action == "abandon"
    await swarm.swarm.db.write(lambda tx: swarm.swarm.control.resume(tx, requeue=False))
    assert await swarm.status("claimed") == "claimed"


async def test_a_drained_worker_gets_no_claim(swarm: EngineHarness) -> None:
    worker = await swarm.worker()
    await swarm.swarm.drain(worker.name, None)

    await swarm.add(task("a"))

    assert await swarm.status("a") == "not_started"


@pytest.mark.parametrize("shape", ["chain", "independent", "fan-in"])
async def test_d4_a_claim_costs_the_same_number_of_steps_in_any_graph(
    swarm: EngineHarness, shape: str
) -> None:
    """Checks that the claim's query is an index look-up; the predecessor scanned all tasks for each claim."""
    count = 300
    plans = {
        "chain": [task(f"t{n}", *([f"t{n - 1}"] if n else [])) for n in range(count)],
        "independent": [task(f"t{n}") for n in range(count)],
        "fan-in": [
            task("t0"),
            *(task(f"t{n}", "t0") for n in range(1, count - 1)),
            task("end", *(f"t{n}" for n in range(1, count - 1))),
        ],
    }
    await swarm.add(*plans[shape])

    def explained(tx: object) -> list[str]:
        from swarmd.store.queries import QUERIES  # noqa: PLC0415

        connection = tx._connection  # type: ignore[attr-defined]
        query = "EXPLAIN QUERY PLAN " + QUERIES["task_ready"]
        return [
            row[3]
            for row in connection.execute(query, {"label_set_key": 1, "wait_key": 0, "after": 0, "limit": 1})
        ]

    steps = await swarm.swarm.db.read(explained)

    assert len(steps) == 1
    assert steps[0].startswith("SEARCH t USING INDEX ready_tasks (label_set_key=? AND wait_key=?)")


async def test_d4_ids_that_look_like_wildcards_do_not_interact(swarm: EngineHarness) -> None:
    await swarm.add(task("task_1"), task("taskA1"), task("task.1"), task("after", "task_1"))
    worker = await swarm.worker(slots=3)

    await worker.complete("taskA1")
    await worker.complete("task.1")

    assert await swarm.status("after") == "blocked"
    await worker.complete("task_1")
    assert await swarm.status("after") == "claimed"


async def test_a_worker_whose_provider_asks_to_wait_gets_no_claims_until_then(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b"), task("c"))
    limited, other = await swarm.worker("limited"), await swarm.worker("other")
    claim = await limited.claim("a")
    await limited.start(claim)

    await limited.finish(claim, replace(LIMITED, retry_after_s=100.0))
    await swarm.drain_writes()
    await limited.receive()
    assert [held.definition.task_id for held in limited.claims] == ["a"]

    await other.complete("b")
    await other.receive()
    assert other.claims[-1].definition.task_id == "c"
    assert await swarm.status("a") == "not_started"
    await swarm.after_backoff(151)
    await limited.receive()
    assert [held.definition.task_id for held in limited.claims] == ["a", "a"]


async def test_an_operator_s_resume_ends_the_wait_for_the_provider(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b"))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await worker.finish(claim, replace(LIMITED, retry_after_s=3600.0))
    assert "3600 s (slow down)" in swarm.swarm.live.provider_holds.describe(worker.name)

    await swarm.swarm.resume(requeue=False)
    await swarm.drain_writes()

    await worker.receive()
    assert worker.claims[-1].definition.task_id == "b"


async def test_the_waits_of_a_group_that_was_rolled_back_hold_nobody(swarm: EngineHarness) -> None:
    holds = swarm.swarm.live.provider_holds
    name = (await swarm.worker()).name

    def fails(tx: Tx) -> None:
        holds.start(tx, name, 60.0, "slow down")
        assert name in holds
        raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        await swarm.swarm.db.write(fails)
    swarm.swarm.db.hooks.after_rollback()

    assert name not in holds
    assert not holds.describe(name)


async def test_claims_are_sent_in_messages_of_a_bounded_size_and_orders_first(swarm: EngineHarness) -> None:
    await swarm.add(*(task(f"t{number}", description="x" * 100_000) for number in range(6)))
    await swarm.add(task("big", description="y" * 1_000_000))
    worker = await swarm.worker(slots=7)
    box = worker.server_side.mailbox
    await swarm.kill("t5")

    batches = []
    while not box.empty:
        batch = await box.next_batch()
        assert batch is not None
        batches.append(batch)

    sent = [[claim.definition.task_id for _, claim in batch.claims] for batch in batches]
    assert sent == [["t0", "t1"], ["t2", "t3"], ["t4", "t5"], ["big"]]
    assert [len(batch.orders) for batch in batches] == [1, 0, 0, 0]


async def test_claims_of_a_closed_stream_that_were_not_sent_are_free_again(swarm: EngineHarness) -> None:
    await swarm.add(*(task(f"t{number}", description="x" * 300_000) for number in range(3)))
    worker = await swarm.worker(slots=3)
    first = await worker.server_side.mailbox.next_batch()
    assert first is not None

    await swarm.swarm.close_stream(worker.server_side)

    assert [claim.definition.task_id for _, claim in first.claims] == ["t0"]
    assert await swarm.statuses("t0", "t1", "t2") == ["claimed", "not_started", "not_started"]
