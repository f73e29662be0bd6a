"""The cost of the engine's steps in statements and query plans, which tests can assert; times they can't."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from support.engine import EngineHarness, FakeWorker, outcome, task
from swarmd.domain.claim import Claim
from swarmd.domain.model import SessionRole
from swarmd.engine.attempts.sessions import SessionStart
from swarmd.store.deferred_writes import BATCH_SIZES, DEFERRABLE
from swarmd.store.queries import QUERIES, batch

NAMES = {text: name for name, text in QUERIES.items()} | {
    batch(name).text(rows): name for name in DEFERRABLE for rows in BATCH_SIZES
}
# All that the life of one task without dependencies costs: its claim in the commit that frees the slot, its go,
# its outcome. Two commits.
LIFE = {
    "BEGIN IMMEDIATE": 2, "COMMIT": 2, "attempt_by_lease": 2, "task_save": 3, "event_add": 3,
    "swarm_has_open": 2, "task_offer": 1, "attempt_open_count": 1, "task_ready": 1, "attempt_add": 1,
    "definition_get": 1, "session_find": 1, "session_add": 1, "attempt_start": 1, "attempt_end": 1,
    "session_end_of_attempt": 1, "task_dependents": 1,
}  # fmt: skip
# Statements that run in each step: a scan in one of them would cost more with more tasks.
HOT = (
    *(name for name in LIFE if name in QUERIES and name not in DEFERRABLE),
    "task_by_key", "session_find", "task_by_id", "task_named", "task_count_unmet", "task_dead_dependency",
    "task_make_ready", "attempt_open_of_worker", "attempt_last_report", "attempt_findings",
    "attempt_results_of_dependencies", "name_room", "name_key", "name_overlapping", "session_log_trim",
    "event_after", "event_after_of_task",
)  # fmt: skip
# One row, however many tasks; a set of labels is what many tasks have in common; the names that have room and for
# which tasks wait; the pauses of runners; shared budgets; one page of events; the words that were asked for. The
# sessions of `attempt_findings` are read from one report.
SMALL = (
    "s", "swarm", "label_sets", "l", "p", "j", "f", "CONSTANT ROW", "8 CONSTANT ROWS",
    "8-ROW VALUES CLAUSE", "given", "sqlite_sequence", "n USING INDEX names_with_room", "b", "budgets",
)  # fmt: skip


@contextmanager
def counted(swarm: EngineHarness) -> Iterator[Counter[str]]:
    """Counts the statements of the writer by name."""
    counts: Counter[str] = Counter()
    writer = swarm.swarm.db._writer

    def trace(_cursor: object, sql: str, _bindings: object) -> bool:
        counts[NAMES.get(sql, sql)] += 1
        return True

    writer.exec_trace = trace
    try:
        yield counts
    finally:
        writer.exec_trace = None


async def _life(worker: FakeWorker) -> None:
    await worker.receive()
    claim = worker.claims.pop()
    assert await worker.start(claim) is None
    await worker.finish(claim, outcome("completed"))


@pytest.mark.parametrize("waiting", [10, 2_000])
async def test_the_life_of_a_task_costs_the_same_statements_however_many_wait(
    swarm: EngineHarness, waiting: int
) -> None:
    await swarm.add(*(task(f"t{n}") for n in range(waiting)))
    worker = await swarm.worker()
    await _life(worker)

    with counted(swarm) as counts:
        await _life(worker)

    assert counts == LIFE


async def test_writes_of_one_group_share_their_statements(swarm: EngineHarness) -> None:
    await swarm.add(*(task(f"t{n}") for n in range(40)))
    worker = await swarm.worker(slots=20)
    await worker.receive()
    claims = worker.claims[:20]
    await swarm.drain_writes()
    # The first session of a database notes that real work is done, once.
    swarm.swarm.live.real_work = True
    write, start = swarm.swarm.db.write, swarm.swarm.sessions.record_start

    with counted(swarm) as counts:
        await write(lambda tx: [start(tx, worker.name, _start(claim)) for claim in claims])

    assert {counts[name] for name in ("BEGIN IMMEDIATE", "COMMIT", "swarm_has_open")} == {1}
    # One of sixteen rows and one of four.
    assert {counts[name] for name in ("task_save", "session_add", "attempt_start", "event_add")} == {2}
    assert "SAVEPOINT job" not in counts


async def test_claims_of_one_commit_share_their_statements(swarm: EngineHarness) -> None:
    await swarm.worker(slots=16)

    with counted(swarm) as counts:
        await swarm.add(*(task(f"t{n}") for n in range(20)))

    assert {counts[name] for name in ("task_offer", "task_ready", "attempt_add", "task_save")} == {1}


@pytest.mark.parametrize("name", DEFERRABLE)
async def test_no_statement_for_many_rows_scans_what_grows(swarm: EngineHarness, name: str) -> None:
    query = batch(name).text(8)
    blank = [1] * 8 * len(batch(name).columns)

    scans = await swarm.swarm.db.read(lambda tx: _scans(tx, query, blank))

    assert scans == []


async def test_a_submit_reads_no_task_but_those_that_it_names(swarm: EngineHarness) -> None:
    await swarm.add(*(task(f"t{n}") for n in range(50)))

    with counted(swarm) as counts:
        await swarm.add(task("late", "t0"))

    assert "task_keys" not in counts
    assert "dependency_edges" not in counts
    assert counts["task_insert"] == counts["event_add"] == counts["definition_set"] == 1


async def test_a_task_that_nobody_may_have_costs_no_statement_for_each_idle_worker(
    swarm: EngineHarness,
) -> None:
    for number in range(30):
        await swarm.worker(f"idle-{number}")
    await swarm.add(task("odd", labels={"gpu": "yes"}))

    with counted(swarm) as counts:
        await swarm.add(task("also-odd", labels={"gpu": "yes"}))

    assert counts["task_offer"] == 1
    assert counts["attempt_open_count"] == counts["task_ready"] == 0


async def test_a_heartbeat_does_not_count_the_workers(swarm: EngineHarness) -> None:
    class Members(dict[Any, Any]):
        walks = 0

        def values(self) -> Any:
            Members.walks += 1
            return super().values()

    worker = await swarm.worker()
    swarm.swarm.live.workers = Members(swarm.swarm.live.workers)

    for _ in range(20):
        worker.beat()

    assert Members.walks <= 1


@pytest.mark.parametrize("name", HOT)
async def test_no_step_scans_what_grows(swarm: EngineHarness, name: str) -> None:
    blank = dict.fromkeys(re.findall(r":(\w+)", QUERIES[name]), 1)
    scans = await swarm.swarm.db.read(lambda tx: _scans(tx, QUERIES[name], blank))

    assert scans == []


def _scans(tx: Any, query: str, blank: Any) -> list[str]:
    """Returns the steps of the query plan that scan a whole table."""
    rows = [row[3] for row in tx._connection.execute(f"EXPLAIN QUERY PLAN {query}", blank)]
    walks = [row for row in rows if row.startswith("SCAN ")]
    return [row for row in walks if not row.removeprefix("SCAN ").startswith(SMALL)]


def _start(claim: Claim) -> SessionStart:
    return SessionStart(claim.lease_id, f"{claim.definition.task_id}-x", SessionRole.BUILDER, "command")
