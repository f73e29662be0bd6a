"""A swarm at work on a real database: every kind of write of the engine, in an order drawn from a seed."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import apsw

from disk.vfs import Disk
from support.clock import FakeClock, FakeEntropy
from support.database import digest
from support.engine import PACE, EngineHarness, FakeWorker, outcome, task
from swarmd.domain.claim import Claim
from swarmd.domain.errors import StorageFailed, StorageFull, SwarmError
from swarmd.domain.model import Usage
from swarmd.domain.policy import Backoff
from swarmd.engine.attempts.sessions import SessionProgress
from swarmd.engine.swarm import EnginePolicy, Swarm
from swarmd.store import database
from swarmd.store.database import Database
from swarmd.store.file import connections, opening
from swarmd.store.group_commit import CommitResult, GroupCommit
from swarmd.store.sessions import LogEntry

# Ten pages: fewer than most transactions of the workload change.
SMALL_CACHE_KIB = 40


@dataclass(frozen=True)
class Commit:
    """An acknowledged group: the number of disk operations by then, and a digest of all tables."""

    ops: int
    digest: str


class WatchedCommits(GroupCommit):
    """The commits of a `WatchedDatabase`."""

    # A digest of what the tables would hold after the latest tried commit, whatever became of it.
    tried = ""

    def _commit(self, jobs: int) -> CommitResult:
        try:
            self.tried = digest(self._connection)
        except apsw.Error as error:
            # The reads need room in the page cache, so they write changed pages to a disk that may fail.
            return self._roll_back(error)
        return super()._commit(jobs)


class WatchedDatabase(Database):
    """Records every commit on the writer's thread, before its callers hear of it."""

    group_commit = WatchedCommits

    def __init__(self, path: Path, disk: Disk, **settings: Any) -> None:
        self.commits: list[Commit] = []
        self._disk = disk
        super().__init__(path, **settings)
        self.commits.append(Commit(len(disk.ops), digest(self._writer)))

    @property
    def tried(self) -> str:
        """The digest of the latest tried commit."""
        assert isinstance(self._commits, WatchedCommits)
        return self._commits.tried

    def _commit(self, group: list[Any]) -> None:
        super()._commit(group)
        if not any(isinstance(job.error, StorageFull | StorageFailed) for job in group):
            self.commits.append(Commit(len(self._disk.ops), digest(self._writer)))


@dataclass
class Work:
    """A swarm with its workers and operators."""

    bench: EngineHarness
    rng: random.Random
    number: int = 0
    workers: list[FakeWorker] = field(default_factory=list)
    entry: int = 0

    async def step(self) -> None:
        """Makes one or several writes at once."""
        weights = {
            self._import: 2, self._begin: 6, self._end: 6, self._progress: 3, self._kill: 2, self._retry: 1,
            self._stop: 1, self._pause: 1, self._clear: 0.1,
        }  # fmt: skip
        steps = self.rng.choices(list(weights), list(weights.values()), k=self.rng.choice((1, 1, 3)))
        results = await asyncio.gather(*(step() for step in steps), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, SwarmError):
                raise result

    async def join(self) -> None:
        """Adds two workers."""
        for name in ("w1", "w2"):
            self.workers.append(await self.bench.worker(name, slots=2))

    async def _import(self) -> None:
        ids = [f"t{self.number + n}" for n in range(self.rng.randint(1, 4))]
        self.number += len(ids)
        description = "x" * self.rng.choice((0, 50, 3_000, 9_000))
        plan = [
            task(name, *self.rng.sample(ids[:n], min(n, self.rng.choice((0, 1, 2)))), description=description)
            for n, name in enumerate(ids)
        ]
        await self.bench.add(*plan)

    async def _begin(self) -> None:
        for worker, claim in await self._held():
            await worker.start(claim, self.rng.choice(("builder", "validator")))

    async def _end(self) -> None:
        for worker, claim in await self._held():
            kind = self.rng.choice(("completed", "completed", "failed", "stopped"))
            failure = self.rng.choice(("agent_error", "provider_limited")) if kind == "failed" else None
            report = '{"notes": "' + "y" * self.rng.choice((0, 5_000)) + '"}'
            worker.claims = [other for other in worker.claims if other is not claim]
            await worker.finish(claim, outcome(kind, failure=failure, error="e", report=report))

    async def _progress(self) -> None:
        for worker, claim in await self._held():
            self.entry += 1
            entries = [LogEntry(self.entry, 1, "LOG_KIND_OUTPUT", "z" * self.rng.choice((10, 2_000)))]
            session = f"{claim.definition.task_id}-a{claim.number}-builder-{claim.epoch}"
            progress = SessionProgress(claim.lease_id, session, entries, Usage(self.entry, self.entry, None))
            report = self.bench.swarm.sessions.record_progress
            await self.bench.swarm.db.write(partial(report, worker=worker.name, progress=progress))

    async def _kill(self) -> None:
        if self.number:
            await self.bench.kill(f"t{self.rng.randrange(self.number)}", cause="test")

    async def _retry(self) -> None:
        if self.number:
            name = f"t{self.rng.randrange(self.number)}"
            await self.bench.retry(name, failed=True)

    async def _stop(self) -> None:
        control = self.bench.swarm.control
        await self.bench.swarm.db.write(partial(control.emergency_stop, cause="test"))
        await self.bench.swarm.db.write(partial(control.resume, requeue=True))

    async def _pause(self) -> None:
        control = self.bench.swarm.control
        await self.bench.swarm.db.write(partial(control.pause, cause="test"))
        await self.bench.after_backoff()
        await self.bench.swarm.db.write(partial(control.resume, requeue=False))

    async def _clear(self) -> None:
        self.number += 1
        await self.bench.add(task(f"t{self.number - 1}"), clear=True)

    async def _held(self) -> list[tuple[FakeWorker, Claim]]:
        for worker in self.workers:
            await worker.receive()
        held = [(worker, claim) for worker in self.workers for claim in worker.claims[-3:]]
        return self.rng.sample(held, min(len(held), 2))


@contextlib.contextmanager
def small_limits(idle_pages: int, busy_pages: int, *, cache_kib: int = opening.CACHE_KIB) -> Iterator[None]:
    """Sets limits that a short test exceeds: sizes of the WAL, the cache of a copy, and if asked that of the writer."""
    with (
        mock.patch.multiple(database, CHECKPOINT_IDLE_PAGES=idle_pages, CHECKPOINT_BUSY_PAGES=busy_pages),
        mock.patch.object(connections, "COPY_CACHE_KIB", SMALL_CACHE_KIB),
        mock.patch.object(opening, "CACHE_KIB", cache_kib),
    ):
        yield


@contextlib.asynccontextmanager
async def at_work(db: Database, clock: FakeClock, seed: int) -> AsyncIterator[Work]:
    """Yields a swarm on the database; closes both."""
    swarm = Swarm(db, clock=clock, entropy=FakeEntropy(0.5), policy=EnginePolicy(PACE, Backoff(2.0, 300.0)))
    await swarm.boot()
    work = Work(EngineHarness(db.path, clock, swarm), random.Random(seed))
    try:
        yield work
    finally:
        await swarm.close()
        await db.close()
