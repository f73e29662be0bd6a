"""Deferred writes leave the same rows as writes that run at once."""

import asyncio
import random
import threading
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.engine import EngineHarness, FakeWorker, engine_harness, outcome, task
from swarmd.domain.claim import Claim
from swarmd.domain.model import SessionRole, Usage
from swarmd.engine.attempts.sessions import SessionEnd, SessionProgress, SessionStart
from swarmd.engine.tasks import retrying
from swarmd.store import deferred_writes
from swarmd.store.queries import batch_text
from swarmd.store.sessions import LogEntry
from swarmd.store.transaction import Tx

ROUNDS = 25
TABLES = (
    "tasks", "attempts", "sessions", "session_log", "events", "late_results", "task_totals", "usage_totals",
    "attempt_totals",
)  # fmt: skip
Verb = Callable[[Tx], Any]


def _run_at_once(tx: Tx, query: str, subjects: tuple[Hashable, ...], **values: Any) -> None:
    tx._before_write()
    tx._connection.execute(batch_text(query, 1), deferred_writes.row_of(query)(values))


class Play:
    """Workers whose random steps depend on the seed alone."""

    def __init__(self, swarm: EngineHarness, seed: int) -> None:
        self._swarm = swarm
        self._rng = random.Random(seed)
        self._workers: list[FakeWorker] = []

    async def run(self) -> None:
        """Plays all rounds; each round is one group."""
        names = [f"t{n}" for n in range(40)]
        await self._swarm.add(
            *(
                task(name, *self._rng.sample(names[:number], min(number, self._rng.choice((0, 0, 1, 3)))))
                for number, name in enumerate(names)
            )
        )
        self._workers = [await self._swarm.worker(f"w{n}", slots=4) for n in range(3)]
        for _ in range(ROUNDS):
            for worker in self._workers:
                await worker.receive()
            verbs = [
                verb
                for worker in self._workers
                for claim in worker.claims
                for verb in self._of(worker, claim)
            ]
            verbs += [self._operator(names) for _ in range(3)]
            self._rng.shuffle(verbs)
            await self._together(verbs)

    async def _together(self, verbs: Sequence[Verb]) -> None:
        """Commits the verbs in one group, with the writes of backoffs that pass meanwhile."""
        write, began, release = self._swarm.swarm.db.write, threading.Event(), threading.Event()

        def hold(_tx: Tx) -> None:
            began.set()
            assert release.wait(30)

        held = asyncio.create_task(write(hold))
        await asyncio.to_thread(began.wait, 30)
        writes = [asyncio.create_task(write(verb)) for verb in verbs]
        self._swarm.clock.pass_s(600)
        for _ in range(3):
            await asyncio.sleep(0)
        release.set()
        await held
        for result in await asyncio.gather(*writes, return_exceptions=True):
            assert not isinstance(result, BaseException) or hasattr(result, "reason"), result
        await self._swarm.drain_writes()

    def _of(self, worker: FakeWorker, claim: Claim) -> list[Verb]:
        """Some of the reports that a worker may have of one claim, in an order that need not make sense."""
        sessions, name = self._swarm.swarm.sessions, worker.name
        role = self._rng.choice(list(SessionRole))
        session_id = f"{claim.definition.task_id}-a{claim.number}-{role}"
        usages = [Usage(*self._rng.choices(range(10**6), k=3)) for _ in ("on the way", "at the end")]
        entries = [LogEntry(number, 1, "LOG_KIND_OUTPUT", f"line {number}") for number in range(1, 4)]
        failed = self._rng.random() < 0.3
        ended = outcome("failed", failure="agent_error", error="no") if failed else outcome("completed")
        verbs: list[Verb] = [
            partial(
                sessions.record_start, worker=name, start=SessionStart(claim.lease_id, session_id, role, "r")
            ),
            partial(
                sessions.record_progress,
                worker=name,
                progress=SessionProgress(claim.lease_id, session_id, entries, usages[0]),
            ),
            partial(
                sessions.record_end, worker=name, end=SessionEnd(claim.lease_id, session_id, 0, usages[1])
            ),
            lambda tx: self._swarm.swarm.outcomes.finish(tx, name, claim.lease_id, ended),
        ]
        return [verb for verb in verbs if self._rng.random() < 0.5]

    def _operator(self, names: Sequence[str]) -> Verb:
        some = self._rng.sample(names, 2)
        if self._rng.random() < 0.2:
            return partial(self._swarm.swarm.control.kill, names=some, cause="enough")
        return partial(retrying.retry, name=some[0])

    async def left(self) -> dict[str, list[Any]]:
        """Returns all rows of the tables, without the random names of tasks."""
        await self._swarm.swarm.db.write(lambda tx: tx._connection.execute("UPDATE tasks SET creation = ''"))
        return await self._swarm.swarm.db.read(
            lambda tx: {
                table: tx._connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES
            }
        )


@pytest.mark.parametrize("seed", range(6))
async def test_deferred_writes_leave_the_same_rows_as_writes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    left = []
    for folder, defer in (("deferred", Tx.defer), ("at once", _run_at_once)):
        (tmp_path / folder).mkdir()
        monkeypatch.setattr(Tx, "defer", defer)
        monkeypatch.setattr("support.engine._DIGESTS", iter(range(1, 100_000)))
        async with engine_harness(tmp_path / folder / "swarm.db", chance=0.5) as swarm:
            play = Play(swarm, seed)
            await play.run()
            left.append(await play.left())

    assert len(left[0]["events"]) > 200
    assert {name: set(rows) ^ set(left[1][name]) for name, rows in left[0].items()} == {
        name: set() for name in TABLES
    }
