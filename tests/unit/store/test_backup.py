"""Copies of databases that are larger than any page cache: backups, restores and the copy before a migration."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from support.database import read_content
from swarmd.domain.errors import StorageFailed, StorageFull
from swarmd.store import events
from swarmd.store.database import Database
from swarmd.store.events import EventKind
from swarmd.store.file import checksums, opening, restore
from swarmd.store.transaction import Tx

# SQLite caches 2 MB of a copy, and swarmd folds the WAL of an idle server at 8 MB.
WAL_BYTES = 5_000_000
PAGE = 4_096


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    found = Database(tmp_path / "swarm.db", wall_us=lambda: 1)
    yield found
    await found.close()


def record(tx: Tx, count: int = 100) -> None:
    for _ in range(count):
        events.append(tx, EventKind.SWARM_PAUSED, cause="x" * 5_000)


async def fill_wal(db: Database) -> None:
    for _ in range(10):
        await db.write(record)
    assert db.path.with_name("swarm.db-wal").stat().st_size > WAL_BYTES


def sequence(path: Path) -> list[int]:
    """Returns the numbers of the events; every page is read and its checksum compared."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=checksums.layer())
    try:
        assert connection.pragma("integrity_check") == "ok"
        return [row[0] for row in connection.execute("SELECT seq FROM events ORDER BY seq")]
    finally:
        connection.close()


async def test_a_backup_of_a_wal_larger_than_the_page_cache_is_complete(db: Database, tmp_path: Path) -> None:
    await fill_wal(db)

    await db.backup(tmp_path / "copy.db")

    assert sequence(tmp_path / "copy.db") == list(range(1, 1_001))
    assert read_content(tmp_path / "copy.db").faults == []
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600


async def test_backups_while_writes_go_on_hold_all_events_up_to_one_moment(
    db: Database, tmp_path: Path
) -> None:
    done = asyncio.Event()
    copies = [tmp_path / f"copy-{number}.db" for number in range(4)]

    async def write() -> None:
        while not done.is_set():
            await db.write(record)

    await fill_wal(db)
    writers = [asyncio.create_task(write()) for _ in range(3)]
    sizes = []
    for copy in copies:
        before = await db.read(events.last_seq)
        await db.backup(copy)
        numbers = sequence(copy)
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= before
        assert len(numbers) % 100 == 0, "no group is there in part"
        sizes.append(len(numbers))
    done.set()
    await asyncio.gather(*writers)

    assert sizes == sorted(sizes)


async def test_a_restore_takes_the_files_of_a_killed_server_with_a_long_wal(
    db: Database, tmp_path: Path
) -> None:
    await fill_wal(db)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in ("swarm.db", "swarm.db-wal"):
        shutil.copyfile(tmp_path / name, crashed / name)
    (tmp_path / "new").mkdir()

    restored = restore.restore(tmp_path / "new" / "swarm.db", crashed / "swarm.db")

    assert restored.epoch == 2
    assert sequence(tmp_path / "new" / "swarm.db")[:1_000] == list(range(1, 1_001))


async def test_the_copy_before_a_migration_holds_a_long_wal(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill_wal(db)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in ("swarm.db", "swarm.db-wal"):
        shutil.copyfile(tmp_path / name, crashed / name)
    shipped = opening.migrations()
    number = shipped[-1].number + 1
    more = opening.Migration(number, "CREATE TABLE more (x TEXT) STRICT;")
    monkeypatch.setattr(opening, "migrations", lambda: [*shipped, more])

    opening.open_writer(crashed / "swarm.db").close()

    assert sequence(crashed / f"swarm.db.before-schema-{number}") == list(range(1, 1_001))


async def test_a_damaged_page_fails_a_backup_and_a_read_with_its_cause(tmp_path: Path) -> None:
    path = tmp_path / "swarm.db"
    first = Database(path, wall_us=lambda: 1)
    await first.write(record)
    await first.close()
    whole = bytearray(path.read_bytes())
    db = Database(path, wall_us=lambda: 1)
    for page in range(len(whole) // PAGE // 2, len(whole) // PAGE):
        whole[page * PAGE + 100] ^= 1
    path.write_bytes(whole)

    with pytest.raises(
        StorageFailed, match="reading the database failed: a page has a wrong checksum; check the"
    ):
        await db.backup(tmp_path / "copy.db")
    with pytest.raises(StorageFailed, match="a page has a wrong checksum"):
        await db.read(lambda tx: events.after(tx, 0, limit=1_000))
    await db.close()


async def test_a_backup_that_can_not_be_written_says_so(db: Database, tmp_path: Path) -> None:
    with pytest.raises(StorageFull, match=r"the backup can't be written: .*; nothing was changed"):
        await db.backup(tmp_path / "missing" / "copy.db")


async def test_a_backup_replaces_no_file(db: Database, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("keep")

    with pytest.raises(StorageFull, match="File exists"):
        await db.backup(tmp_path / "taken")

    assert (tmp_path / "taken").read_text() == "keep"
