"""The totals that triggers keep equal a count of the rows, whatever happens to the rows."""

import json
import random
from functools import partial
from pathlib import Path
from typing import Any

from support.engine import EngineHarness, engine_harness, outcome, task
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import SessionRole, Usage
from swarmd.engine.attempts.sessions import SessionProgress
from swarmd.store import feed_cursors
from swarmd.store.file import opening
from swarmd.store.queries import QUERIES
from swarmd.store.reads import totals, views
from swarmd.store.transaction import ReadTx

# The same by reading every row.
COUNTED = """
SELECT json_group_array(json_array(status, n, ready, hours)) FROM (
  SELECT status, count(*) n, sum(ready) ready, round(coalesce(sum(estimated_hours), 0), 6) hours
    FROM tasks GROUP BY status ORDER BY status)
"""
KEPT = """
SELECT json_group_array(json_array(status, tasks, ready, micro_hours / 1e6)) FROM (
  SELECT * FROM task_totals WHERE tasks > 0 ORDER BY status)
"""
COUNTED_USE = """
SELECT json_group_array(json_array(role, n, i, o, c, p)) FROM (
  SELECT role, count(*) n, sum(input_tokens) i, sum(output_tokens) o, coalesce(sum(cost_nano), 0) c, count(cost_nano) p
    FROM sessions GROUP BY role ORDER BY role)
"""
KEPT_USE = """
SELECT json_group_array(json_array(role, sessions, input_tokens, output_tokens, cost_nano, priced)) FROM (
  SELECT * FROM usage_totals WHERE sessions > 0 ORDER BY role)
"""
COUNTED_ENDS = """
SELECT json_group_array(json_array(outcome, class, n)) FROM (
  SELECT outcome, coalesce(failure_class, '') class, count(*) n FROM attempts WHERE outcome IS NOT NULL
   GROUP BY 1, 2 ORDER BY 1, 2)
"""
KEPT_ENDS = """
SELECT json_group_array(json_array(outcome, failure_class, attempts)) FROM (
  SELECT * FROM attempt_totals ORDER BY 1, 2)
"""
READY_SINCE = "SELECT count(*) FROM tasks WHERE (ready_us IS NOT NULL) <> ready"


async def judge(on: EngineHarness) -> None:
    """Asserts that the totals equal a count of the rows."""

    def read(tx: ReadTx) -> None:
        for counted, kept in ((COUNTED, KEPT), (COUNTED_USE, KEPT_USE), (COUNTED_ENDS, KEPT_ENDS)):
            assert json.loads(_ask(tx, kept)) == json.loads(_ask(tx, counted))
        assert _ask(tx, READY_SINCE) == 0

    await on.swarm.db.read(read)


def _ask(tx: ReadTx, sql: str) -> Any:
    return tx._connection.execute(sql).get


async def test_totals_follow_every_transition_of_a_task(tmp_path: Path) -> None:
    rng = random.Random(5)
    async with engine_harness(tmp_path / "swarm.db", chance=0.5) as on:
        await on.add(
            *[task(f"t{i}", estimated_hours=rng.choice((None, 0.1, 2.5)), max_retries=1) for i in range(30)],
            task("after", "t0"),
            task("never", "t1", status="not_started"),
            task("done", status="completed", estimated_hours=0.3),
        )
        await judge(on)
        worker = await on.worker(slots=40)
        await worker.receive()
        for i in range(30):
            await worker.complete(f"t{i}") if rng.random() < 0.4 else await worker.fail(
                f"t{i}", "validation_failed"
            )
        await judge(on)
        await on.after_backoff()
        await judge(on)
        await on.kill(*[f"t{i}" for i in range(30) if await on.status(f"t{i}") in ("not_started", "claimed")])
        await judge(on)
        await on.retry(failed=True)
        await judge(on)
        await on.add(task("done", status="completed", estimated_hours=7.0), clear=False)
        await judge(on)
        await on.drain_writes()
        for found in list(on.swarm.live.leases()):
            await on.kill(found.lease.task_id)


async def test_usage_is_counted_by_role_and_goes_with_its_tasks(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as on:
        await on.add(task("a"))
        worker = await on.worker()
        claim = await worker.claim("a")
        for role, usage in (("builder", Usage(10, 20, 5)), ("validator", Usage(1, 2, None))):
            session_id = f"a-{role}"
            assert await worker.start(claim, role, session_id=session_id) is None
            # A report that comes twice counts once.
            for _ in range(2):
                progress = SessionProgress(claim.lease_id, session_id, (), usage)
                await on.swarm.db.write(
                    lambda tx, progress=progress: on.swarm.sessions.record_progress(tx, worker.name, progress)  # type: ignore[misc]
                )
        await judge(on)
        used = await on.swarm.db.read(totals.usage)
        assert used[SessionRole.BUILDER] == totals.UsageTotal(1, 10, 20, 5)
        assert (await on.swarm.db.read(views.totals)).usage == Usage(11, 22, 5)

        await worker.finish(claim, outcome("completed"))
        await on.add(task("b"), clear=True)

        assert (await on.swarm.db.read(views.totals)).usage == Usage(0, 0, None)
        # How attempts ended is history; it does not go with the tasks.
        assert [end.attempts for end in await on.swarm.db.read(totals.attempts)] == [1]


async def test_a_task_has_been_ready_since_its_backoff_ended(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as on:
        await on.add(task("a"))
        first_us = await on.swarm.db.read(totals.oldest_ready_us)
        assert first_us == on.clock.wall_us()
        worker = await on.worker()
        await worker.fail("a")
        assert await on.swarm.db.read(totals.oldest_ready_us) is None
        await on.swarm.db.write(lambda tx: on.swarm.control.drain(tx, [worker.name], within_s=None))

        await on.after_backoff()

        since_us = await on.swarm.db.read(totals.oldest_ready_us)
        assert since_us is not None
        assert since_us > first_us
        assert (await on.swarm.db.read(totals.tasks))[TaskStatus.NOT_STARTED] == totals.TaskTotal(1, 1)


def test_a_database_of_the_first_schema_gets_its_totals(tmp_path: Path, monkeypatch: Any) -> None:
    shipped = opening.migrations()
    monkeypatch.setattr(opening, "migrations", lambda: shipped[:1])
    path = tmp_path / "swarm.db"
    old = opening.open_writer(path)
    old.execute("INSERT INTO label_sets (labels) VALUES ('{}')")
    for number, (status, hours) in enumerate(
        (("not_started", 1.5), ("completed", 2.0), ("completed", None)), 1
    ):
        ended = 1 if status == "completed" else None
        old.execute(
            "INSERT INTO tasks VALUES (?, ?, '', '', '', 0, ?, 1, 'skip', 2, ?, ?, 0, 0, 0, 0, '', NULL, '', 0, 0, 1,"
            " NULL, ?)",
            (number, f"t{number}", hours, status, status == "not_started", ended),
        )
    old.close()
    monkeypatch.undo()

    new = opening.open_writer(path)

    assert ReadTx(new).all("swarm_counts") == [("completed", 2, 2.0), ("not_started", 1, 1.5)]
    assert totals.oldest_ready_us(ReadTx(new)) == 1
    new.close()


async def test_a_reader_goes_on_at_its_stored_position(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as on:
        assert await on.swarm.db.read(lambda tx: feed_cursors.last_seq(tx, "notify")) is None
        for seq in (5, 9):
            await on.swarm.db.write(partial(feed_cursors.save, name="notify", seq=seq))
    async with engine_harness(tmp_path / "swarm.db") as on:
        assert await on.swarm.db.read(feed_cursors.list_all) == {"notify": 9}


def test_totals_are_read_without_a_scan(tmp_path: Path) -> None:
    connection = opening.open_writer(tmp_path / "swarm.db")
    for name in ("total_oldest_ready", "total_tasks", "total_usage", "swarm_counts", "swarm_usage"):
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {QUERIES[name]}")]
        assert not any(
            step.startswith(("SCAN tasks", "SCAN sessions")) for step in steps if "INDEX" not in step
        ), steps
    connection.close()
