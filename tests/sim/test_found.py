"""Faults that the model and the simulation have found, each as a minimal test.

| found by | what |
|---|---|
| simulation, seeds 6, 14, 47 | retry or requeue of a task with one that waits for it wrote back a stale row |
| simulation, seed 146 | a task that was blocked again during its backoff was never claimed |
| simulation (checks of memory) | a server with new work reported "done" to workers |
| model (`newer_kill_counts`), simulation, seed 1 | a requeue brought back what an operator had killed |
| model (`doomed_is_ordered`) | a heartbeat was answered with "go on" while the loss was being written |
| model (`joins_in_order`) | an overtaken request for a stream counted as a proof of death |
| reading (messages that never arrive) | a worker that never received its claims was given them forever |
"""

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sim.storage import SteppedDatabase
from support.clock import FakeClock, FakeEntropy
from support.engine import PACE, EngineHarness, FakeWorker, outcome, task
from swarmd.domain.errors import StreamReplaced
from swarmd.domain.model import DependencyFailurePolicy
from swarmd.domain.policy import Backoff
from swarmd.engine.swarm import EnginePolicy, Swarm
from swarmd.engine.tasks import plans
from swarmd.store.transaction import Tx

RUN = DependencyFailurePolicy.RUN


async def holds(worker: FakeWorker, task_id: str) -> bool:
    await worker.receive()
    return any(claim.definition.task_id == task_id for claim in worker.claims)


async def fail_for_good(swarm: EngineHarness, worker: FakeWorker, task_id: str) -> None:
    while await swarm.status(task_id) != "failed":
        await worker.fail(task_id)
        await swarm.after_backoff()


async def test_a_retry_of_a_task_and_of_one_that_waits_for_it_starts_them_in_order(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"), task("b", "a", on_dependency_failure=RUN))
    await swarm.kill("b", "a")

    await swarm.retry("a", "b")

    assert await swarm.statuses("a", "b") == ["not_started", "blocked"]
    await (await swarm.worker()).complete("a")
    assert await swarm.status("b") == "claimed"


async def test_a_requeue_of_a_task_and_of_one_that_waits_for_it_starts_them_in_order(
    swarm: EngineHarness,
) -> None:
    await swarm.add(task("a"), task("b", "a", on_dependency_failure=RUN))
    worker = await swarm.worker(slots=2)
    await fail_for_good(swarm, worker, "a")
    await worker.claim("b")
    await swarm.retry("a")
    await swarm.swarm.db.write(partial(swarm.swarm.control.emergency_stop, cause=""))

    await swarm.swarm.db.write(partial(swarm.swarm.control.resume, requeue=True))

    assert await swarm.statuses("a", "b") == ["claimed", "blocked"]
    await worker.complete("a")


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_task_that_is_blocked_again_during_its_backoff_is_claimed_in_the_end(
    swarm: EngineHarness, *, restarted: bool
) -> None:
    await swarm.add(task("a", max_retries=0), task("b", "a", on_dependency_failure=RUN))
    worker = await swarm.worker()
    await worker.fail("a")
    await worker.fail("b")
    await swarm.retry("a")
    if restarted:
        await swarm.swarm.boot()
    await swarm.after_backoff()

    await worker.complete("a")

    assert await swarm.status("b") == "claimed"


async def test_what_an_operator_kills_while_a_stop_ends_it_is_not_requeued(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b"))
    worker = await swarm.worker(slots=2)
    claim = await worker.claim("a")
    await worker.start(claim)
    await swarm.swarm.db.write(partial(swarm.swarm.control.emergency_stop, cause=""))

    await swarm.kill("a", "b")
    await worker.finish(claim, outcome("stopped"))

    assert await swarm.swarm.db.write(partial(swarm.swarm.control.resume, requeue=True)) == []
    assert await swarm.statuses("a", "b") == ["killed", "killed"]


async def test_a_worker_that_is_being_given_up_is_not_told_to_go_on(swarm: EngineHarness) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    for _ in range(int(PACE.lost_after_s / PACE.look_every_s)):
        swarm.clock.pass_s(PACE.look_every_s)
        await swarm.swarm.check_leases()
    told: list[str] = []

    async def write(operation: Callable[[Tx], None]) -> None:
        told[:] = [order.action for order in worker.beat(claim)]
        await swarm.swarm.db.write(operation)

    swarm.clock.pass_s(PACE.look_every_s)
    await swarm.swarm.reaper.check(write)

    assert (await swarm.status("a"), told) in [("in_progress", []), ("not_started", ["abandon"])]


@pytest.mark.parametrize("overtaken", ["w1-1", "w1-0"], ids=["of this process", "of the process before"])
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_request_for_a_stream_that_was_overtaken_ends_nothing(
    swarm: EngineHarness, overtaken: str, *, restarted: bool
) -> None:
    await swarm.add(task("a"))
    worker = await swarm.worker(incarnation="w1-1", opening=7)
    await worker.start(await worker.claim("a"))
    if restarted:
        await swarm.swarm.boot()

    for opening in (6, 7):
        with pytest.raises(StreamReplaced):
            await swarm.worker(incarnation=overtaken, held=[], opening=opening)

    assert await swarm.status("a") == "in_progress"
    await swarm.worker(incarnation="w1-2", held=[], opening=8)
    assert (await swarm.task("a")).losses == 1, "a newer one is the proof that it is"


async def test_a_worker_that_does_not_hear_its_claims_gets_none_that_another_could_have(
    swarm: EngineHarness,
) -> None:
    deaf, busy = await swarm.worker("deaf"), await swarm.worker("busy")
    await swarm.add(task("b", priority=5))
    (owner,) = [worker for worker in (deaf, busy) if await holds(worker, "b")]
    deaf, busy = (deaf, busy) if owner is busy else (busy, deaf)
    running = await busy.claim("b")
    await busy.start(running)
    await swarm.add(task("a"))

    for _ in range(5):
        swarm.clock.pass_s(PACE.look_every_s)
        deaf.beat()
        busy.beat(running)
        await swarm.swarm.check_leases()
    await swarm.drain_writes()

    assert await swarm.status("a") == "not_started", "taken back, and kept for one who hears"
    await busy.finish(running, outcome("completed"))
    assert (await busy.claim("a")).number == 2


async def test_a_worker_that_did_not_hear_a_claim_is_asked_again_where_nobody_else_is(
    swarm: EngineHarness,
) -> None:
    deaf = await swarm.worker("deaf")
    await swarm.add(task("a"))
    for _ in range(4):
        swarm.clock.pass_s(PACE.look_every_s)
        deaf.beat()
        await swarm.swarm.check_leases()
    deaf.beat()
    await swarm.drain_writes()

    assert (await deaf.claim("a")).number == 2


async def test_a_worker_that_hears_after_all_gets_claims_again(swarm: EngineHarness) -> None:
    slow = await swarm.worker("slow")
    await swarm.add(task("a"))
    other = await swarm.worker("other")
    taken_back = await slow.claim("a")
    for _ in range(4):
        swarm.clock.pass_s(PACE.look_every_s)
        slow.beat()
        other.beat()
        await swarm.swarm.check_leases()
    await other.start(await other.claim("a"))
    await swarm.add(task("b"))
    assert await swarm.status("b") == "not_started"

    orders = slow.beat(taken_back)
    await swarm.drain_writes()

    assert [order.action for order in orders] == ["abandon"]
    assert (await slow.claim("b")).number == 1


class Stepped:
    """An engine whose commits, and their callbacks, are steps of the test."""

    def __init__(self, path: Path) -> None:
        self.clock = FakeClock()
        self.db = SteppedDatabase(path, wall_us=self.clock.wall_us)
        policy = EnginePolicy(PACE, Backoff(2.0, 300.0))
        self.swarm = Swarm(self.db, clock=self.clock, entropy=FakeEntropy(), policy=policy)


@pytest.fixture
async def stepped(tmp_path: Path) -> AsyncIterator[Stepped]:
    found = Stepped(tmp_path / "swarm.db")
    yield found
    await found.swarm.close()
    found.db.drop()


async def together(db: SteppedDatabase, *writes: Any) -> list[Any]:
    """Commits each write as a group of its own before the callbacks of the first."""
    import asyncio  # noqa: PLC0415

    tasks, groups = [], []
    for write in writes:
        tasks.append(asyncio.ensure_future(write))
        await asyncio.sleep(0)
        groups.append(db.commit())
    for group in groups:
        db.deliver(group)
    return list(await asyncio.gather(*tasks))


async def test_done_is_not_said_of_a_swarm_that_has_got_new_work_meanwhile(stepped: Stepped) -> None:
    await together(stepped.db, stepped.swarm.boot())
    assert stepped.swarm.live.done
    add = partial(plans.add, clear=False)
    bench = EngineHarness(stepped.db.path, stepped.clock, stepped.swarm)
    await together(stepped.db, stepped.db.write(partial(add, plan=[task("a")])))
    (worker,) = await together(stepped.db, bench.worker())
    claim = await worker.claim("a")
    await together(stepped.db, worker.start(claim))

    more = stepped.db.write(partial(add, plan=[task("b")]))
    await together(stepped.db, worker.finish(claim, outcome("completed")), more)

    assert not stepped.swarm.live.done


async def test_a_worker_that_reconnects_while_its_outcome_comes_in_is_given_the_next_task(
    stepped: Stepped,
) -> None:
    bench = EngineHarness(stepped.db.path, stepped.clock, stepped.swarm)
    add = partial(plans.add, clear=False)
    await together(stepped.db, stepped.swarm.boot())
    await together(stepped.db, stepped.db.write(partial(add, plan=[task("a")])))
    (worker,) = await together(stepped.db, bench.worker())
    claim = await worker.claim("a")
    await together(stepped.db, worker.start(claim))

    again = bench.worker(held=[claim.lease_id])
    await together(stepped.db, again, worker.finish(claim, outcome("completed")))
    await together(stepped.db, stepped.db.write(partial(add, plan=[task("b")])))

    assert await bench.status("b") == "claimed"
