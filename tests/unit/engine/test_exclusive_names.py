"""Exclusive names and files: who holds them, who waits, and when they are free again."""

import re
from pathlib import Path
from typing import Any

import pytest

from support.engine import EngineHarness, FakeWorker, engine_harness, outcome, task
from swarmd.domain.workspaces import WorkspaceKind
from swarmd.engine.dispatch.exclusion import MAX_WAITS
from swarmd.engine.reports import explain
from swarmd.store import exclusive_names
from swarmd.store.transaction import ReadTx

CLONE = WorkspaceKind.CLONE
SHARED = WorkspaceKind.SHARED


def on(task_id: str, *names: str, **fields: Any) -> Any:
    """Returns a task that needs these names."""
    return task(task_id, exclusive=names, **fields)


def writing(task_id: str, *files: str, **fields: Any) -> Any:
    """Returns a task with these files."""
    return task(task_id, files=files, **fields)


async def claimed(worker: FakeWorker) -> list[str]:
    """Returns the ids of all tasks that the worker was ever given."""
    await worker.receive()
    return [str(claim.definition.task_id) for claim in worker.claims]


async def test_tasks_that_need_the_same_name_run_one_after_the_other(swarm: EngineHarness) -> None:
    worker = await swarm.worker(slots=3)
    await swarm.add(on("a", "db"), on("b", "db"), on("c", "db"))

    assert await claimed(worker) == ["a"]
    await worker.complete("a")
    assert await claimed(worker) == ["a", "b"]
    await worker.complete("b")
    await worker.complete("c")

    assert await swarm.statuses("a", "b", "c") == ["completed"] * 3


async def test_a_plan_says_how_many_may_share_a_name(swarm: EngineHarness) -> None:
    worker = await swarm.worker(slots=4)

    await swarm.add(*(on(f"t{n}", "db") for n in range(4)), concurrency={"db": 2})

    assert await claimed(worker) == ["t0", "t1"]
    await worker.complete("t1")
    assert await claimed(worker) == ["t0", "t1", "t2"]


async def test_a_number_holds_over_later_imports_until_one_changes_it(swarm: EngineHarness) -> None:
    worker = await swarm.worker(slots=4)
    await swarm.add(on("t0", "db"), concurrency={"db": 2})
    await swarm.add(on("t1", "db"), on("t2", "db"))
    assert await claimed(worker) == ["t0", "t1"]

    await swarm.add(concurrency={"db": 3})

    assert await claimed(worker) == ["t0", "t1", "t2"]
    await swarm.add(on("t3", "db"), concurrency={"db": 1})
    for task_id in ("t0", "t1"):
        await worker.complete(task_id)
        assert "t3" not in await claimed(worker)
    await worker.complete("t2")
    assert "t3" in await claimed(worker)


async def test_a_task_with_two_names_waits_for_both_and_keeps_neither_from_others(
    swarm: EngineHarness,
) -> None:
    worker = await swarm.worker(slots=4)
    await swarm.add(on("x", "x"), on("y", "y"), on("both", "x", "y", priority=9), on("later", "x"))
    assert await claimed(worker) == ["both"]

    await worker.complete("both")

    assert await claimed(worker) == ["both", "x", "y"]


async def test_a_task_without_the_name_is_not_kept_behind_those_that_wait(swarm: EngineHarness) -> None:
    worker = await swarm.worker(slots=2)
    await swarm.add(*(on(f"t{n}", "db", priority=9) for n in range(3 * MAX_WAITS)), task("free", priority=-5))

    await swarm.drain_writes()

    assert await claimed(worker) == ["t0", "free"]


async def test_among_those_that_wait_the_higher_priority_goes_first(swarm: EngineHarness) -> None:
    worker = await swarm.worker(slots=2)
    await swarm.add(on("holder", "db", priority=9), on("low", "db", priority=1), on("high", "db", priority=4))
    await swarm.add(on("higher", "db", priority=5))

    for holder in ("holder", "higher", "high", "low"):
        await worker.complete(holder)

    assert await claimed(worker) == ["holder", "higher", "high", "low"]


async def test_a_waiting_task_of_high_priority_goes_before_others_of_low_priority(
    swarm: EngineHarness,
) -> None:
    worker = await swarm.worker(slots=2)
    await swarm.add(on("holder", "db", priority=9), on("high", "db", priority=4), *map(task, ("p", "q", "r")))
    assert await claimed(worker) == ["holder", "p"]

    await worker.complete("holder")

    assert await claimed(worker) == ["holder", "p", "high"]


async def test_a_name_that_is_free_again_goes_to_whoever_fits_the_worker(swarm: EngineHarness) -> None:
    plain = await swarm.worker("plain", slots=2)
    await swarm.add(on("holder", "db", priority=9), on("odd", "db", labels={"gpu": "yes"}), on("even", "db"))

    await plain.complete("holder")

    assert await claimed(plain) == ["holder", "even"]
    gifted = await swarm.worker("gifted", labels={"gpu": "yes"})
    assert await claimed(gifted) == []
    await plain.complete("even")
    assert await claimed(gifted) == ["odd"]


async def test_a_killed_task_keeps_its_name_until_its_processes_are_proven_dead(swarm: EngineHarness) -> None:
    worker = await swarm.worker(slots=2)
    await swarm.add(on("a", "db"), on("b", "db"))
    claim = await worker.claim("a")
    await worker.start(claim)

    await swarm.kill("a")

    assert await claimed(worker) == ["a"]
    await worker.finish(claim, outcome("stopped"))
    assert await claimed(worker) == ["a", "b"]


async def test_the_names_of_a_lost_worker_are_free_with_its_lease(swarm: EngineHarness) -> None:
    dead = await swarm.worker("dead")
    await swarm.add(on("a", "db"))
    await dead.start(await dead.claim("a"))
    other = await swarm.worker("other")
    await swarm.add(on("b", "db"))

    silent_s = 0
    while await swarm.status("a") == "in_progress":
        assert await claimed(other) == []
        swarm.clock.pass_s(10)
        silent_s += 10
        other.beat()
        await swarm.swarm.check_leases()

    assert silent_s >= 1800
    assert await claimed(other) == ["b"]


async def test_a_claim_that_never_arrived_holds_no_name(swarm: EngineHarness) -> None:
    gone = await swarm.worker("gone")
    await swarm.add(on("a", "db"), on("b", "db"))
    await swarm.swarm.close_stream(gone.server_side)

    other = await swarm.worker("other", slots=2)

    assert await claimed(other) == ["a"]


async def test_a_failed_task_gives_its_name_to_others_while_it_waits_to_be_retried(
    swarm: EngineHarness,
) -> None:
    worker = await swarm.worker(slots=2)
    await swarm.add(on("a", "db"), on("b", "db"))

    await worker.fail("a")

    assert await claimed(worker) == ["a", "b"]
    await swarm.after_backoff()
    assert await claimed(worker) == ["a", "b"]
    await worker.complete("b")
    assert await claimed(worker) == ["a", "b", "a"]


async def test_a_restart_of_the_server_frees_nothing(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as first:
        worker = await first.worker(slots=2)
        await first.add(on("a", "db"), writing("b", "src"))
        claims = [await worker.claim(task_id) for task_id in ("a", "b")]
        for claim in claims:
            await worker.start(claim)
        lease_ids = [claim.lease_id for claim in claims]

    async with engine_harness(tmp_path / "swarm.db") as second:
        worker = await second.worker(slots=9, held=lease_ids)
        await second.add(on("c", "db"), writing("d", "src/x"), task("e"))
        assert await claimed(worker) == ["e"]

        for claim in claims:
            await worker.finish(claim, outcome("completed"))

        assert await claimed(worker) == ["e", "c", "d"]


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        (["src/a.py"], ["src/a.py"]),
        (["src/a.py"], ["./src//a.py"]),
        (["src"], ["src/deep/a.py"]),
        (["src/deep/a.py"], ["src/"]),
        (["docs/x.md", "src/a.py"], ["other", "src/a.py"]),
        (["src", "src/a.py"], ["src/b.py"]),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_tasks_of_a_shared_folder_whose_files_overlap_never_run_at_once(
    swarm: EngineHarness, held: list[str], wanted: list[str], *, at_once: bool
) -> None:
    worker = await swarm.worker(slots=2)
    if at_once:
        await swarm.add(writing("a", *held), writing("b", *wanted))
    else:
        await swarm.add(writing("a", *held))
        await swarm.add(writing("b", *wanted))

    assert await claimed(worker) == ["a"]
    await worker.complete("a")
    assert await claimed(worker) == ["a", "b"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("src/a.py", "src/b.py"), ("src/a", "src/ab"), ("src", "src-b/x"), ("src/a.py", "a.py"), ("src", "SRC")],
)
async def test_files_that_do_not_overlap_keep_no_task_waiting(
    swarm: EngineHarness, one: str, other: str
) -> None:
    worker = await swarm.worker(slots=2)

    await swarm.add(writing("a", one), writing("b", other))

    assert await claimed(worker) == ["a", "b"]


@pytest.mark.parametrize(
    ("asked", "of_worker", "at_once"),
    [
        (CLONE, None, True),
        (CLONE, SHARED, True),
        (None, CLONE, True),
        (SHARED, CLONE, False),
        (None, SHARED, False),
        (None, None, False),
    ],
)
async def test_files_count_where_the_folder_is_shared(
    swarm: EngineHarness, asked: WorkspaceKind | None, of_worker: WorkspaceKind | None, *, at_once: bool
) -> None:
    worker = await swarm.worker(slots=2, workspace=of_worker or SHARED, repository="r", target="main")

    await swarm.add(writing("a", "x.py", workspace=asked), writing("b", "x.py", workspace=asked))

    assert await claimed(worker) == (["a", "b"] if at_once else ["a"])


async def test_with_exclusive_files_they_count_in_clones_too(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db", exclusive_files=True) as swarm:
        worker = await swarm.worker(slots=2, workspace=CLONE, repository="r", target="main")

        await swarm.add(writing("a", "x.py"), writing("b", "x.py"))

        assert await claimed(worker) == ["a"]


async def test_a_new_definition_without_the_name_ends_the_wait(swarm: EngineHarness) -> None:
    worker = await swarm.worker(slots=2)
    await swarm.add(on("a", "db"), on("b", "db"))
    assert await claimed(worker) == ["a"]

    await swarm.add(task("b"))

    assert await claimed(worker) == ["a", "b"]


async def test_a_waiting_task_may_be_killed_blocked_and_cleared(swarm: EngineHarness) -> None:
    worker = await swarm.worker(slots=3)
    await swarm.add(on("a", "db"), on("b", "db"), on("c", "db"), on("d", "db"))
    await swarm.kill("b")
    await swarm.swarm.change_dependency("c", "d", remove=False)
    assert await claimed(worker) == ["a"]

    await worker.complete("a")
    assert await claimed(worker) == ["a", "d"]
    await worker.complete("d")
    assert await claimed(worker) == ["a", "d", "c"]
    await worker.complete("c")
    await swarm.add(on("new", "db"), on("newer", "db"), clear=True, concurrency={})

    assert await claimed(worker) == ["a", "d", "c", "new"]
    assert await swarm.status("newer") == "not_started"


async def test_a_plan_that_replaces_all_tasks_forgets_the_numbers_of_names(swarm: EngineHarness) -> None:
    worker = await swarm.worker(slots=3)
    await swarm.add(on("a", "db"), concurrency={"db": 2})
    await worker.complete("a")

    await swarm.add(on("b", "db"), on("c", "db"), clear=True)

    assert await claimed(worker) == ["a", "b"]
    assert await swarm.swarm.db.read(exclusive_names.capacities) == {}


async def test_what_the_store_counts_is_what_is_held_and_waited_for(swarm: EngineHarness) -> None:
    workers = [await swarm.worker(f"w{n}", slots=3) for n in range(2)]
    plan = [on(f"n{n}", *{f"x{n % 3}", f"x{n % 5}"}) for n in range(12)]
    plan += [writing(f"f{n}", f"src/{n % 3}", "src/0/deep" if n % 4 == 0 else "README.md") for n in range(8)]
    await swarm.add(*plan)

    for _ in range(60):
        for worker in workers:
            await worker.receive()
            for claim in list(worker.claims):
                worker.claims.remove(claim)
                await worker.start(claim)
                await _counts_agree(swarm)
                await worker.finish(claim, outcome("completed"))
                await _counts_agree(swarm)

    assert set(await swarm.statuses(*(one.definition.task_id for one in plan))) == {"completed"}


async def _counts_agree(swarm: EngineHarness) -> None:
    for name, capacity, held, holders, waiting, waiters in await swarm.swarm.db.read(_counts):
        assert (held, waiting) == (holders, waiters), name
        assert held <= capacity, name


def _counts(tx: ReadTx) -> list[Any]:
    """Returns each name with its capacity, and what it counts beside what is there."""
    return tx._connection.execute(
        "SELECT n.name, n.capacity, n.held, (SELECT count(*) FROM held_names h WHERE h.name_key = n.key),"
        " n.waiting, (SELECT count(*) FROM tasks t WHERE t.ready = 1 AND t.wait_key = n.key) FROM exclusive_names n"
    ).fetchall()


async def reasons_of(swarm: EngineHarness, task_id: str, *, exclusive_files: bool = False) -> list[Any]:
    """Returns kind, message and tasks of each reason why the task waits."""
    live, timers = swarm.swarm.live, swarm.swarm.retry_timers
    found = await swarm.task(task_id)
    facts = await swarm.swarm.db.read(
        lambda tx: explain.read_facts(tx, found, live, exclusive_files=exclusive_files)
    )
    return [(one.kind, one.message, list(one.task_ids)) for one in explain.reasons(facts, live, timers)]


async def test_a_task_that_waits_for_a_name_says_who_holds_it(swarm: EngineHarness) -> None:
    await swarm.worker("w1", slots=3)
    await swarm.add(*(on(f"t{n}", "db") for n in range(3)), concurrency={"db": 2})

    [(kind, message, task_ids)] = await reasons_of(swarm, "t2")

    assert (kind, task_ids) == ("name_held", ["t0", "t1"])
    assert re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", message) == (
        "it waits for db, held by task t0 at worker w1 since TIME and task t1 at worker w1 since TIME"
    )


async def test_a_task_that_waits_for_a_file_says_which_and_who_has_it(swarm: EngineHarness) -> None:
    await swarm.worker("w1", slots=3)
    await swarm.add(writing("a", "src/api"), writing("b", "README.md", "src/api/x.py"))

    [(kind, message, task_ids)] = await reasons_of(swarm, "b")

    assert (kind, task_ids) == ("name_held", ["a"])
    assert message.startswith("it waits for the file src/api, held by task a at worker w1 since ")


async def test_files_are_no_reason_to_wait_where_the_task_gets_a_clone(swarm: EngineHarness) -> None:
    await swarm.worker("w1", workspace=SHARED, repository="r", target="main")
    await swarm.add(writing("a", "x.py"), writing("b", "x.py", workspace=CLONE))

    assert [kind for kind, _, _ in await reasons_of(swarm, "b")] == ["no_slot"]
    assert [kind for kind, _, _ in await reasons_of(swarm, "b", exclusive_files=True)] == [
        "name_held",
        "no_slot",
    ]


async def test_a_running_task_does_not_wait_for_what_it_holds(swarm: EngineHarness) -> None:
    await swarm.worker("w1")
    await swarm.add(on("a", "db"))

    assert [kind for kind, _, _ in await reasons_of(swarm, "a")] == ["held"]


async def test_the_swarm_is_not_done_while_a_task_waits_for_a_name(swarm: EngineHarness) -> None:
    worker = await swarm.worker("w1", slots=2)
    await swarm.add(on("a", "db"), on("b", "db"))

    await worker.complete("a")
    assert not swarm.swarm.live.done
    await worker.complete("b")
    await swarm.drain_writes()
    assert swarm.swarm.live.done
