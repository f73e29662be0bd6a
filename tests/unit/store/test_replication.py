"""Commits reach a standby whole and in order, whatever the WAL does; and replies that wait for one."""

import asyncio
import json
import os
import random
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import apsw
import pytest

from support.database import read_content
from support.waiting import eventually
from swarmd.domain.errors import ServerStopping
from swarmd.store import commit_feed, events, held_replies
from swarmd.store import database as database_module
from swarmd.store.commit_feed import CommitFeed, Follower
from swarmd.store.database import Database
from swarmd.store.events import EventKind
from swarmd.store.file import checksums, opening, replica
from swarmd.store.file.errors import DatabaseUnusable
from swarmd.store.transaction import Tx


@pytest.fixture
async def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    # The WAL begins again often, and large transactions write to it before they commit.
    monkeypatch.setattr(database_module, "CHECKPOINT_IDLE_PAGES", 40)
    monkeypatch.setattr(database_module, "CHECKPOINT_BUSY_PAGES", 60)
    monkeypatch.setattr(opening, "CACHE_KIB", 256)
    found = Database(tmp_path / "swarm.db", wall_us=lambda: 1)
    yield found
    await found.close()


def record(tx: Tx, count: int = 1) -> None:
    for _ in range(count):
        events.append(tx, EventKind.SWARM_PAUSED, cause="x" * 2_000)


def fail(tx: Tx) -> None:
    """Fills the cache, so that pages are in the WAL, and is undone."""
    record(tx, 300)
    raise apsw.FullError("none of it is stored")


async def pass_writer(db: Database) -> None:
    await db.write(lambda _tx: None)


class Standby:
    """The work of `swarmctl backup --follow`, in this process."""

    def __init__(self, db: Database, follower: Follower, folder: Path) -> None:
        self._db = db
        self._follower = follower
        self._folder = folder
        self.place = folder / "replica-1"
        self.log = self.place / "commits.log"
        self.complete = 0
        self.position = 0

    async def copy_base(self) -> None:
        self.place.mkdir(parents=True)
        await self._db.backup(self.place / "base.db")
        await pass_writer(self._db)
        self.complete = self._db.replication.position
        self.position = self._follower.begins
        self.log.touch()
        numbers = {"generation": 1, "begins": self.position, "complete": self.complete}
        (self._folder / "replica.json").write_text(json.dumps({"format": 1} | numbers))

    async def receive(self) -> None:
        found = await self._follower.next_record()
        assert found is not None
        with self.log.open("ab") as log:
            log.write(found.encode())
        self.position = found.last

    async def catch_up(self) -> None:
        while self.position < self._db.replication.position:
            await self.receive()

    def count(self, scratch: Path) -> int:
        """Returns the number of events of the database that a restore would take; checks all of it."""
        with replica.assembled(self._folder, scratch) as base:
            assert read_content(base).faults == []
            connection = apsw.Connection(str(base), flags=apsw.SQLITE_OPEN_READONLY, vfs=checksums.layer())
            try:
                return int(connection.execute("SELECT count(*) FROM events").get)
            finally:
                connection.close()


async def count(db: Database) -> int:
    return await db.read(events.last_seq)


@pytest.mark.parametrize("seed", range(4))
async def test_a_copy_has_each_commit_over_beginnings_of_the_wal_and_undone_transactions(
    db: Database, tmp_path: Path, seed: int
) -> None:
    rng, folder = random.Random(seed), tmp_path / "copy"

    async def work(steps: int) -> None:
        for _ in range(steps):
            if rng.random() < 0.2:
                with pytest.raises(Exception, match="none of it is stored"):
                    await db.write(fail)
            await db.write(lambda tx: record(tx, rng.choice([1, 2, 5, 40, 300])))

    await work(rng.randrange(5))
    async with db.replication.follow(lambda: pass_writer(db)) as follower:
        standby = Standby(db, follower, folder)
        await work(3)
        writing = asyncio.create_task(work(6))
        await standby.copy_base()
        await writing
        for number in range(12):
            await asyncio.gather(work(1), standby.catch_up())
            await standby.catch_up()
            if number % 4 == 3:
                assert standby.count(tmp_path / "scratch") == await count(db)
        assert standby.position > standby.complete


async def test_each_prefix_of_a_log_is_the_database_of_one_moment(db: Database, tmp_path: Path) -> None:
    async with db.replication.follow(lambda: pass_writer(db)) as follower:
        standby = Standby(db, follower, tmp_path / "copy")
        await standby.copy_base()
        counts, ends = [await count(db)], [0]
        for number in (1, 3, 50):
            await db.write(lambda tx, number=number: record(tx, number))  # type: ignore[misc]
            await standby.catch_up()
            counts.append(await count(db))
            ends.append(standby.log.stat().st_size)
    whole = standby.log.read_bytes()

    for end in [*ends, *(place - 1 for place in ends[1:]), *(place + 20 for place in ends[:-1])]:
        standby.log.write_bytes(whole[:end])
        expected = counts[sum(place <= end for place in ends) - 1]
        assert standby.count(tmp_path / "scratch") == expected, end

    gap = whole[: ends[1]] + whole[ends[2] :]
    damaged = bytearray(whole)
    damaged[ends[1] + 200] ^= 1
    for bad, said in ((gap, "lacks what follows commit"), (bytes(damaged), "is damaged at byte")):
        standby.log.write_bytes(bad)
        with pytest.raises(DatabaseUnusable, match=said):
            standby.count(tmp_path / "scratch")


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("replica.json", None, "it has no replica.json, so no complete copy"),
        ("replica.json", "{", "its replica.json is damaged$"),
        (
            "replica.json",
            '{"format": 2}',
            "its replica.json is damaged, or of a newer swarmctl; upgrade swarmd",
        ),
        ("replica.json", '{"format": 1, "generation": 1, "begins": 0}', "its replica.json is damaged$"),
        ("replica-1/commits.log", None, "it lacks replica-1/commits.log"),
        ("replica-1/base.db", None, "it lacks replica-1/base.db"),
    ],
)
async def test_a_copy_that_lacks_a_file_or_has_other_state_is_refused(
    db: Database, tmp_path: Path, file: str, text: str | None, said: str
) -> None:
    async with db.replication.follow(lambda: pass_writer(db)) as follower:
        standby = Standby(db, follower, tmp_path / "copy")
        await standby.copy_base()
    place = tmp_path / "copy" / file
    place.unlink() if text is None else place.write_text(text)

    with pytest.raises(DatabaseUnusable, match=said):
        standby.count(tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()


async def test_commits_that_waited_together_are_one_record_and_the_next_record_follows_it(
    db: Database,
) -> None:
    async with db.replication.follow(lambda: pass_writer(db)) as follower:
        for _ in range(3):
            await db.write(record)
        together = await follower.next_record()
        waiting = asyncio.create_task(follower.next_record())
        # The wakes of the three commits have all run.
        await asyncio.gather(*(asyncio.sleep(0) for _ in range(10)))
        assert not waiting.done()
        await db.write(record)
        after = await waiting

        assert together is not None
        assert after is not None
        assert (together.first, together.last) == (1, 3)
        assert (after.first, after.last) == (4, 4)


async def test_a_record_waits_until_the_standby_has_stored_an_earlier_one(db: Database) -> None:
    async with db.replication.follow(lambda: pass_writer(db)) as follower:
        await db.write(record)
        assert await follower.next_record() is not None
        await db.write(record)
        waiting = asyncio.create_task(follower.next_record(confirmed=1))
        await db.write(record)
        await asyncio.gather(*(asyncio.sleep(0) for _ in range(10)))
        assert not waiting.done()

        db.replication.confirm(follower.follow_id, 1, in_sync=True)

        found = await waiting
        assert found is not None
        assert (found.first, found.last) == (2, 3)


async def test_a_server_that_stops_ends_the_streams_after_the_commits_that_wait(db: Database) -> None:
    async with db.replication.follow(lambda: pass_writer(db)) as follower:
        await db.write(record)
        db.replication.close()

        last = await follower.next_record()

        assert last is not None
        assert last.last == 1
        with pytest.raises(ServerStopping):
            await follower.next_record()


async def test_a_base_alone_is_no_copy_if_commits_came_while_it_was_made(
    db: Database, tmp_path: Path
) -> None:
    async with db.replication.follow(lambda: pass_writer(db)) as follower:
        standby = Standby(db, follower, tmp_path / "copy")
        await db.write(record)
        await standby.copy_base()
        assert standby.complete > follower.begins

        with pytest.raises(DatabaseUnusable, match=r"commits\.log ends at commit 0 of at least 1"):
            standby.count(tmp_path / "scratch")


async def test_a_standby_that_is_too_slow_is_told_so_and_the_others_go_on(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_feed, "MAX_WAITING_BYTES", 100_000)
    async with (
        db.replication.follow(lambda: pass_writer(db)) as slow,
        db.replication.follow(lambda: pass_writer(db)) as quick,
    ):
        for _ in range(40):
            await db.write(lambda tx: record(tx, 3))
            assert await quick.next_record() is not None
        assert await slow.next_record() is None


async def test_jobs_that_are_committed_one_by_one_after_a_fault_arrive_as_the_last_one_left_them(
    db: Database, tmp_path: Path
) -> None:
    begun, gate, groups = threading.Event(), threading.Event(), iter([False, True])

    def block(_tx: Tx) -> None:
        begun.set()
        assert gate.wait(30)

    def fail_second(_tx: Tx) -> None:
        if next(groups, False):
            raise RuntimeError("a bug")

    async with db.replication.follow(lambda: pass_writer(db)) as follower:
        standby = Standby(db, follower, tmp_path / "copy")
        await standby.copy_base()
        db.hooks.before_commit = fail_second
        blocker = asyncio.create_task(db.write(block))
        assert await asyncio.to_thread(begun.wait, 30)
        writes = [asyncio.create_task(db.write(record)) for _ in range(5)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(blocker, *writes)

        await standby.catch_up()

        assert standby.count(tmp_path / "scratch") == await count(db) == 5


def unreadable(*_: object) -> bytes:
    raise OSError(5, "Input/output error")


def of_other_time(_feed: CommitFeed, size: int, _offset: int) -> bytes:
    return os.urandom(size)


@pytest.mark.parametrize("pread", [unreadable, of_other_time])
async def test_the_server_goes_on_if_its_wal_can_not_be_read(
    db: Database, monkeypatch: pytest.MonkeyPatch, pread: Callable[[CommitFeed, int, int], bytes]
) -> None:
    async with db.replication.follow(lambda: pass_writer(db)) as follower:
        monkeypatch.setattr(CommitFeed, "_pread", pread)

        await db.write(record)

        assert await follower.next_record() is None
        assert await count(db) == 1


@pytest.fixture
async def replicated(tmp_path: Path) -> AsyncIterator[Database]:
    found = Database(tmp_path / "swarm.db", wall_us=lambda: 1, ack_replicated=True)
    yield found
    await found.close()


async def written(db: Database) -> "asyncio.Task[None]":
    """Begins a write and returns when the database has it."""
    before = db.replication.position
    write = asyncio.create_task(db.write(record))
    await eventually(lambda: db.replication.position > before, "it is committed")
    return write


async def test_a_write_is_answered_when_a_standby_in_sync_has_it(
    replicated: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_replies, "WAIT_S", 1_000)
    db = replicated
    await db.write(record)
    async with db.replication.follow(lambda: pass_writer(db)) as follower:
        await db.write(record)
        assert db.replication.confirm(follower.follow_id, 1, in_sync=True)

        first, second = await written(db), await written(db)
        position = (await follower.next_record() or pytest.fail("it is cut off")).last
        assert not first.done()
        db.replication.confirm(follower.follow_id, position - 1, in_sync=True)
        await first
        assert not second.done()
        db.replication.confirm(follower.follow_id, position, in_sync=True)
        await second
        last = await written(db)
        assert not last.done()
    await last
    assert not db.replication.confirm(follower.follow_id, position, in_sync=True)


async def test_a_standby_that_does_not_answer_delays_writes_once(
    replicated: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_replies, "WAIT_S", 0.05)
    db = replicated
    async with db.replication.follow(lambda: pass_writer(db)) as follower:
        db.replication.confirm(follower.follow_id, 0, in_sync=True)
        assert db.replication.counts() == (1, 1)

        await db.write(record)

        assert db.replication.counts() == (1, 0)
        db.replication.confirm(follower.follow_id, 0, in_sync=True)
        assert db.replication.counts() == (1, 0), "it has not caught up"
        db.replication.confirm(follower.follow_id, 1, in_sync=True)
        assert db.replication.counts() == (1, 1)
