"""A database that is removed or replaced while it is open: no later write is acknowledged, and no read answers."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from swarmd.domain.errors import StorageFailed
from swarmd.store import events
from swarmd.store.database import Database
from swarmd.store.events import EventKind
from swarmd.store.file.open_files import DatabaseRemoved
from swarmd.store.file.opening import Lock
from swarmd.store.transaction import Tx


def record(tx: Tx) -> None:
    events.append(tx, EventKind.SWARM_PAUSED, cause="test")


def record_many(tx: Tx) -> None:
    for _ in range(40):
        record(tx)


def _replace(path: Path) -> None:
    shutil.copyfile(path, path.with_name("other"))
    path.with_name("other").replace(path)


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"garbage")


LOSSES: dict[str, tuple[Callable[[Path], object], str]] = {
    "database removed": (lambda path: path.unlink(), "swarm.db is gone while swarmd had it open"),
    "database replaced": (_replace, "swarm.db was replaced while swarmd had it open"),
    "WAL removed": (lambda path: path.with_name("swarm.db-wal").unlink(), "swarm.db-wal is gone"),
    "database emptied": (
        lambda path: os.truncate(path, 0),
        "swarm.db was cut short while swarmd had it open",
    ),
    "database overwritten": (lambda path: path.write_text("garbage"), "swarm.db was cut short"),
    "header overwritten": (_overwrite, "swarm.db was overwritten while swarmd had it open"),
    "folder removed": (lambda path: shutil.rmtree(path.parent), "swarm.db is gone"),
    "folder moved": (lambda path: path.parent.rename(path.parents[1] / "elsewhere"), "swarm.db is gone"),
}


async def opened(tmp_path: Path) -> Database:
    folder = tmp_path / "state"
    folder.mkdir()
    Lock(folder / "swarm.db.lock")
    db = Database(folder / "swarm.db", wall_us=lambda: 1)
    await db.write(record)
    return db


@pytest.mark.parametrize("loss", LOSSES)
async def test_no_write_is_acknowledged_and_no_read_answers_after_a_loss(tmp_path: Path, loss: str) -> None:
    remove, message = LOSSES[loss]
    db = await opened(tmp_path)
    remove(db.path)
    called: list[str] = []

    def write(tx: Tx) -> None:
        record(tx)
        tx.after_commit(lambda: called.append("never"))

    with pytest.raises(StorageFailed, match=message):
        await db.write(write)
    with pytest.raises(StorageFailed, match=message):
        await db.write(record, urgent=True)
    with pytest.raises(StorageFailed, match=message):
        await db.read(events.last_seq)
    await asyncio.wait_for(db.failed.wait(), 10)

    assert called == []
    assert isinstance(db.failure, DatabaseRemoved)
    await db.close()


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_check_notices_a_loss_without_a_write(tmp_path: Path, loss: str) -> None:
    db = await opened(tmp_path)
    db.check_files()
    assert db.failure is None
    LOSSES[loss][0](db.path)

    db.check_files()
    db.check_files()

    await asyncio.wait_for(db.failed.wait(), 10)
    with pytest.raises(StorageFailed):
        await db.write(record)
    await db.close()


@pytest.mark.parametrize("name", ["swarm.db.lock", "swarm.db-shm"])
async def test_a_check_notices_the_loss_of_what_keeps_a_second_server_out(tmp_path: Path, name: str) -> None:
    db = await opened(tmp_path)
    db.path.with_name(name).unlink()

    db.check_files()

    await asyncio.wait_for(db.failed.wait(), 10)
    assert str(db.failure) == f"{name} is gone while swarmd had it open"
    await db.close()


async def test_the_close_after_a_loss_is_no_error(tmp_path: Path) -> None:
    db = await opened(tmp_path)
    os.truncate(db.path, 0)

    await db.close()

    assert isinstance(db.failure, DatabaseRemoved)


async def test_checkpoints_and_a_new_wal_are_no_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmd.store.database.CHECKPOINT_IDLE_PAGES", 3)
    monkeypatch.setattr("swarmd.store.file.opening.WAL_KEPT_BYTES", 20_000)
    db = await opened(tmp_path)

    for _ in range(30):
        await db.write(record_many)
        db.check_files()

    assert db.failure is None
    await db.close()


async def test_a_file_beside_the_database_may_come_and_go(tmp_path: Path) -> None:
    db = await opened(tmp_path)
    db.path.with_name("other").touch()
    db.check_files()
    db.path.with_name("other").unlink()
    db.path.with_name("swarm.db.reserve").unlink()

    db.check_files()

    await db.write(record)
    assert not db.failed.is_set()
    await db.close()
