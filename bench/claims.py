"""R10: the cost of a claim among a million tasks beside one among a thousand; and a chain to its end.

The plans are written by SQL, since only the steps are measured: outcome and next claim in one commit, on
the engine without the wire. The shapes of graphs include every one that made the predecessor slow.
"""

import asyncio
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import apsw
from measure import Finding, Samples, Setting, at_least, at_most, timed
from programs import folder

from support.engine import EngineHarness, engine_harness, outcome, task
from swarmd.store.file import checksums

SMALL: Final = 1_000
STEPS: Final = 300
CHAIN: Final = 10_000

# For each shape its edges (task, dependency), and the tasks that are done already. Tasks are numbered from 1.
_SHAPES: Final = {
    "independent": ("SELECT n, n FROM ids WHERE 0", "0"),
    "each after the 3 before it": ("SELECT n, n - d FROM ids CROSS JOIN three WHERE n > d", "0"),
    "layers of 100, each task after 3": (
        "SELECT n, n - 100 - n % 100 + (n + d) % 100 FROM ids CROSS JOIN three WHERE n > 200", "0"
    ),
    "all but 400 after one that waits": ("SELECT n, {count} FROM ids WHERE n > 400 AND n < {count}", "0"),
    "half done, the rest after it": ("SELECT n, n - {count} / 2 FROM ids WHERE n > {count} / 2", "n <= {count} / 2"),
}  # fmt: skip
_TASKS: Final = """
INSERT INTO tasks (key, task_id, name, phase, type, priority, label_set_key, policy, max_retries, status, ready,
                   unmet, attempt, failures, losses, last_error, cause, interrupted, backoff_s, created_us,
                   completed_us)
SELECT n, 't' || n, 't' || n, '', '', 100, 1, 'skip', 2,
       CASE WHEN done THEN 'completed' WHEN open THEN 'blocked' ELSE 'not_started' END,
       NOT done AND open = 0, open, 0, 0, 0, '', '', 0, 0, 1, CASE WHEN done THEN 1 END
  FROM (SELECT n, {done} AS done,
               (SELECT count(*) FROM edges CROSS JOIN ids p ON p.n = dependency WHERE task = i.n AND NOT {met}) AS open
          FROM ids i)
"""


def findings(setting: Setting) -> Iterator[Finding]:
    """Returns the ratio of p50 and of p99, a line for each shape; then the chain."""
    large = setting.of(100_000, 1_000_000)
    for shape in _SHAPES:
        with folder() as where:
            few, many = asyncio.run(_pair(where, shape, large, setting.pairs))
        half, tail = _ratios(few, many, 0.5), _ratios(few, many, 0.99)
        beside = {"µs": 1_000 * many[-1].ms(0.5), "µs among 1,000": 1_000 * few[-1].ms(0.5)}
        yield Finding("R10", f"step p50 at {large:,} ÷ {SMALL:,}: {shape}", half, at_most(1.1), beside=beside)
        yield Finding("R10", "… p99", tail, at_most(1.3), beside={"ms": many[-1].ms(0.99)})


def chain_findings(_setting: Setting) -> Iterator[Finding]:
    """Measures 10,000 tasks, each after the three before it, claimed to the end."""
    with folder() as where:
        seconds, slowest_ms = asyncio.run(_chain(where))
    yield Finding(
        "chain", f"{CHAIN:,} tasks, each after the 3 before it, to the end", [CHAIN / seconds], at_least(1),
        unit=" tasks/s", beside={"s in all": seconds, "slowest step ms": slowest_ms},
    )  # fmt: skip


def _ratios(few: list[Samples], many: list[Samples], share: float) -> list[float]:
    return [b.ms(share) / a.ms(share) for a, b in zip(few, many, strict=True)]


async def _pair(where: Path, shape: str, large: int, rounds: int) -> tuple[list[Samples], list[Samples]]:
    for name, count in (("few", SMALL), ("many", large)):
        (where / name).mkdir()
        async with engine_harness(where / name / "swarm.db"):
            pass
        _fill(where / name / "swarm.db", shape, count)
    few: list[Samples] = []
    many: list[Samples] = []
    for number in range(rounds):
        for name, found in (("few", few), ("many", many)):
            # A fresh copy gives every round the same tasks.
            shutil.copyfile(where / name / "swarm.db", where / name / f"round-{number}.db")
            async with engine_harness(where / name / f"round-{number}.db") as swarm:
                found.append(await _steps(swarm))
            (where / name / f"round-{number}.db").unlink()
    return few, many


async def _steps(swarm: EngineHarness) -> Samples:
    samples = Samples()
    worker = await swarm.worker()
    for number in range(STEPS + 20):
        await worker.receive()
        claim = worker.claims.pop()
        await worker.start(claim)
        finish = partial(worker.finish, claim, outcome("completed"))
        if number < 20:
            await finish()
            continue
        with samples.one():
            await finish()
    return samples


def _fill(path: Path, shape: str, count: int) -> None:
    """Stores the plan as an import does."""
    edges, done = (text.format(count=count) for text in _SHAPES[shape])
    numbers = (
        f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {count}) SELECT n FROM c"
    )
    connection = apsw.Connection(str(path), vfs=checksums.layer())
    with connection:
        for statement in (
            "INSERT OR IGNORE INTO label_sets VALUES (1, '{}')",
            "CREATE TEMP TABLE ids (n INTEGER PRIMARY KEY)",
            f"INSERT INTO ids {numbers}",
            "CREATE TEMP TABLE three AS SELECT 1 AS d UNION SELECT 2 UNION SELECT 3",
            "CREATE TEMP TABLE edges (task INTEGER, dependency INTEGER, PRIMARY KEY (task, dependency)) WITHOUT ROWID",
            f"INSERT INTO edges {edges}",
            _TASKS.format(done=done, met=f"({done.replace('n ', 'p.n ')})"),
            "INSERT INTO definitions SELECT key, json_object('task_id', task_id) FROM tasks",
            "INSERT INTO dependencies SELECT task, dependency, 0 FROM edges",
        ):
            connection.execute(statement)
    connection.close()


async def _chain(where: Path) -> tuple[float, float]:
    samples = Samples()
    plan = [task(f"t{n}", *(f"t{m}" for m in range(max(0, n - 3), n))) for n in range(CHAIN)]
    async with engine_harness(where / "swarm.db") as swarm:
        await swarm.add(*plan)
        worker = await swarm.worker()
        with timed() as timer:
            for _ in plan:
                with samples.one():
                    await worker.receive()
                    claim = worker.claims.pop()
                    await worker.start(claim)
                    await worker.finish(claim, outcome("completed"))
        assert await swarm.status(f"t{CHAIN - 1}") == "completed"
    return timer.seconds, samples.ms(1)
