"""A short life of a swarm on a disk that fails at one call: the errors that callers get, and the disk afterwards."""

import itertools
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import apsw
import pytest

from disk.powerloss import lay_out
from disk.vfs import Disk, Kind, Op, mounted
from disk.workload import WatchedDatabase, small_limits
from support.clock import FakeClock, FakeEntropy
from support.database import digest, read_content
from support.engine import PACE, EngineHarness, FakeWorker, outcome, task
from swarmd.domain.errors import StorageFailed, StorageFull
from swarmd.domain.policy import Backoff
from swarmd.engine.swarm import EnginePolicy, Swarm
from swarmd.store.file import opening
from swarmd.store.file.errors import DatabaseUnusable

Step = Callable[[], Awaitable[object]]
REPORT = '{"notes": "' + "y" * 6_000 + '"}'
_ERRORS = {
    Kind.WRITE: apsw.SQLITE_IOERR_WRITE,
    Kind.TRUNCATE: apsw.SQLITE_IOERR_TRUNCATE,
    Kind.SYNC: apsw.SQLITE_IOERR_FSYNC,
    Kind.DELETE: apsw.SQLITE_IOERR_DELETE,
    Kind.DELETE_FOR_GOOD: apsw.SQLITE_IOERR_DELETE,
}


class Faulty(Disk):
    """A disk that fails at the nth call, or from then on; if `full`, only calls that need space fail."""

    def __init__(self, nth: int, *, full: bool, sticky: bool) -> None:
        super().__init__(before=self._fail)
        self.fired = 0
        self.healed = False
        self._nth, self._full, self._sticky = nth, full, sticky
        self._calls = itertools.count(1)

    def _fail(self, op: Op) -> None:
        call = next(self._calls)
        if self.healed or call < self._nth or (call > self._nth and not self._sticky):
            return
        if self._full and op.kind is not Kind.WRITE:
            return
        self.fired += 1
        raise apsw.exception_for(apsw.SQLITE_FULL if self._full else _ERRORS[op.kind])


@dataclass
class Errors:
    """The errors that the callers of one life got."""

    fired: bool = False
    refused: int = 0
    failed: bool = False
    unusable: bool = False


async def live(folder: Path, template: Path, nth: int, *, full: bool, sticky: bool, cache_kib: int) -> Errors:
    """Plays one life on a copy of the template; asserts after each failure that its error was true."""
    path = Path(shutil.copy(template, lay_out({}, folder)))
    errors, disk, clock = Errors(), Faulty(nth, full=full, sticky=sticky), FakeClock()
    with mounted(disk) as vfs, small_limits(25, 50, cache_kib=cache_kib):
        try:
            db = WatchedDatabase(path, disk, wall_us=clock.wall_us, vfs=vfs)
        except DatabaseUnusable:
            errors.unusable = errors.fired = True
            _judge(path, {read_content(template).digest})
            return errors
        life = Life(db, clock)
        for step in life.steps():
            if not await _run_step(db, disk, step, errors):
                break
        await life.close()
        await db.close()
    errors.fired = disk.fired > 0
    _judge(path, {db.tried, db.commits[-1].digest} if errors.failed else {db.commits[-1].digest})
    return errors


def template(path: Path) -> Path:
    """Makes a database without a WAL."""
    opening.open_writer(path, vfs="unix").close()
    return path


async def _run_step(db: WatchedDatabase, disk: Faulty, step: Step, errors: Errors) -> bool:
    """Runs one step, again after a refusal; returns False if the database refuses every later write."""
    before = db.commits[-1].digest
    try:
        await step()
    except StorageFull:
        errors.refused += 1
        assert await db.read(lambda tx: digest(tx._connection)) == before, "nothing was changed"
        disk.healed = True
        await step()
    except StorageFailed:
        errors.failed = True
        assert db.failed.is_set() or db._broken
        with pytest.raises(StorageFailed):
            await step()
        return False
    return True


class Life:
    """The steps import, claim, go, finish, kill, stop, resume; a refused step can be repeated."""

    def __init__(self, db: WatchedDatabase, clock: FakeClock) -> None:
        swarm = Swarm(db, clock=clock, entropy=FakeEntropy(), policy=EnginePolicy(PACE, Backoff(2.0, 300.0)))
        self._bench = EngineHarness(db.path, clock, swarm)
        self._worker: FakeWorker | None = None

    def steps(self) -> list[Step]:
        swarm, bench = self._bench.swarm, self._bench
        big = task("d", "b", description="x" * 20_000)
        return [
            swarm.boot,
            self._join,
            lambda: bench.add(task("a"), task("b", priority=-1), task("c", "a"), big),
            lambda: self._go("a"),
            lambda: self._end("a", "completed"),
            lambda: self._go("b"),
            lambda: bench.kill("b"),
            lambda: self._end("b", "stopped"),
            lambda: self._go("c"),
            lambda: swarm.db.write(partial(swarm.control.emergency_stop, cause="test"), urgent=True),
            lambda: self._end("c", "completed"),
            lambda: swarm.db.write(partial(swarm.control.resume, requeue=True)),
            lambda: self._go("c"),
            lambda: self._end("c", "completed"),
        ]

    async def close(self) -> None:
        await self._bench.swarm.close()

    async def _join(self) -> None:
        self._worker = await self._bench.worker("w1", slots=2)

    async def _go(self, task_id: str) -> None:
        assert self._worker is not None
        claim = await self._worker.claim(task_id)
        assert await self._worker.start(claim) is None

    async def _end(self, task_id: str, kind: str) -> None:
        assert self._worker is not None
        await self._worker.finish(await self._worker.claim(task_id), outcome(kind, report=REPORT))


def _judge(path: Path, allowed: set[str]) -> None:
    """Checks the files as a start after a crash would, with a disk that works."""
    found = read_content(path)
    assert found.faults == []
    assert found.digest in allowed, "an acknowledged commit is lost, or a refused one is there"
