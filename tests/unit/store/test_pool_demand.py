"""The number of tasks of a pool of workers, as KEDA asks for it."""

import json
import re
from functools import partial
from typing import Any

import pytest

from support.engine import EngineHarness, task
from swarmd.domain.placement import WorkerPool
from swarmd.domain.workspaces import WorkspaceKind
from swarmd.store.queries import QUERIES
from swarmd.store.reads import pool_demand

PLAIN = WorkerPool({}, slots=1)
GPU = WorkerPool({"pool": "gpu", "gpu": "yes"}, slots=1)


async def counted(swarm: EngineHarness, pool: WorkerPool) -> int:
    return await swarm.swarm.db.read(partial(pool_demand.count_tasks, pool=pool))


async def test_ready_tasks_and_held_leases_count_and_nothing_else(swarm: EngineHarness) -> None:
    await swarm.add(task("held"), task("ready"), task("after", "ready"), task("done", status="completed"))
    worker = await swarm.worker()
    await worker.claim("held")

    assert await counted(swarm, PLAIN) == 2


async def test_a_pool_counts_the_tasks_that_its_labels_satisfy(swarm: EngineHarness) -> None:
    await swarm.add(task("any"), task("gpu", labels={"gpu": "yes"}), task("arm", labels={"arch": "arm"}))

    assert await counted(swarm, PLAIN) == 1
    assert await counted(swarm, GPU) == 2
    assert await counted(swarm, WorkerPool(GPU.labels, slots=1, takes_unlabelled=False)) == 1


async def test_a_lease_counts_for_the_pool_of_its_worker(swarm: EngineHarness) -> None:
    await swarm.worker("g1", labels={"pool": "gpu", "gpu": "yes", "node": "n1"})
    await swarm.add(task("held"))

    assert await counted(swarm, GPU) == 1
    assert await counted(swarm, WorkerPool({"pool": "cpu"}, slots=1)) == 0


async def test_a_task_that_needs_a_clone_counts_for_pools_that_make_clones(swarm: EngineHarness) -> None:
    await swarm.add(task("clone", workspace=WorkspaceKind.CLONE))

    assert await counted(swarm, PLAIN) == 1
    assert await counted(swarm, WorkerPool({}, slots=1, makes_clones=False)) == 0


async def test_tasks_that_wait_for_a_name_count_as_far_as_it_has_room(swarm: EngineHarness) -> None:
    worker = await swarm.worker()
    await swarm.add(*(task(f"t{n}", exclusive=("db",)) for n in range(4)), concurrency={"db": 1})
    other = await swarm.worker("w2")
    assert await counted(swarm, PLAIN) == 1

    # Nobody is left to claim the next of them.
    other.server_side.draining = True
    worker.server_side.draining = True
    await worker.complete("t0")

    assert await counted(swarm, PLAIN) == 1


@pytest.mark.parametrize("stop", ["pause", "emergency_stop"])
async def test_a_swarm_that_starts_nothing_needs_workers_only_for_what_runs(
    swarm: EngineHarness, stop: str
) -> None:
    await swarm.add(task("held"), task("ready"))
    worker = await swarm.worker()
    await worker.start(await worker.claim("held"))

    await swarm.swarm.db.write(partial(getattr(swarm.swarm.control, stop), cause="test"))

    assert await counted(swarm, PLAIN) == 1


@pytest.mark.slow
async def test_no_question_reads_all_of_a_hundred_thousand_tasks(swarm: EngineHarness) -> None:
    await swarm.add(*(task(f"t{n}", labels={"n": str(n % 3)}) for n in range(100_000)))

    def explained(tx: Any, query: str) -> list[str]:
        rows = tx._connection.execute(f"EXPLAIN QUERY PLAN {QUERIES[query]}", {"most": 10})
        return [row[3] for row in rows]

    # Of label sets and of names there are few, and of the leases the partial index has those that are open.
    names = r"n USING (COVERING )?INDEX names_with_room"
    leases = r"a USING (COVERING )?INDEX open_attempts_by_worker"
    allowed = rf"SCAN (l|{names}|{leases}|\(subquery-\d+\))"
    for query in ("pool_held", "pool_ready", "pool_admissible"):
        steps = await swarm.swarm.db.read(partial(explained, query=query))
        scans = [step for step in steps if step.startswith("SCAN")]
        assert all(re.fullmatch(allowed, step) for step in scans), f"{query}: {json.dumps(steps, indent=1)}"
    pool = WorkerPool({"n": "1"}, slots=1)
    assert await counted(swarm, pool) == pool_demand.MAX_COUNTED
