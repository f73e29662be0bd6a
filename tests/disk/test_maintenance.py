"""swarmd beside a database that others made, and the work on a database that no server has open."""

import asyncio
import os
import shutil
from pathlib import Path

import grpc
import pytest

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import task_pb2
from disk.small_disk import fill as fill_disk
from disk.small_disk import remount_read_only, small_disk
from support.database import read_content
from support.refusals import content, swarmd
from support.server import Client, refusal, server
from swarmd.store import events
from swarmd.store.database import Database
from swarmd.store.events import EventKind
from swarmd.store.file import opening, restore
from swarmd.store.transaction import Tx

pytestmark = pytest.mark.slow


def made(folder: Path) -> Path:
    folder.mkdir()
    opening.open_writer(folder / "swarm.db").close()
    return folder / "swarm.db"


@pytest.mark.parametrize("name", ["swarm.db", "swarm.db-wal", "swarm.db.restoring-1"])
@pytest.mark.parametrize("flags", [(), ("--compact",)])
def test_a_database_that_came_with_a_clone_is_refused_and_left_as_it_is(
    tmp_path: Path, name: str, flags: tuple[str, ...]
) -> None:
    db = made(tmp_path / "state")
    if name != db.name:
        shutil.copyfile(db, db.with_name(name))
    db.with_name(name).chmod(0o644)
    before = content(db.parent)

    said = swarmd(db, *flags)

    assert (said.code, said.out) == (1, "")
    assert said.err == (
        f"swarmd: {db}: {name} may be read by others (mode 0644), as a file that came with a clone; if it is yours,"
        f" `chmod 600 {db.with_name(name)}`, or else give another --db\n"
    )
    after = content(db.parent)
    after.pop("swarm.db.lock", None)
    assert after == before


def _record(tx: Tx) -> None:
    for _ in range(100):
        events.append(tx, EventKind.SWARM_PAUSED, cause="x" * 5_000)


def test_a_waiting_restore_that_came_with_a_clone_is_refused_beside_a_file_of_any_kind(
    tmp_path: Path,
) -> None:
    db = made(tmp_path / "state")
    db.rename(decided := db.with_name("swarm.db.restoring-1"))
    decided.chmod(0o644)
    db.write_text("something else")

    said = swarmd(db)

    assert "swarm.db.restoring-1 may be read by others (mode 0644)" in said.err
    assert db.read_text() == "something else"


async def fill(path: Path) -> None:
    """Leaves a database of which most pages are free, larger than any page cache of a copy."""
    db = Database(path, wall_us=lambda: 1)
    for _ in range(10):
        await db.write(_record)
    await db.close()


def test_a_compacted_database_is_smaller_and_has_all_its_rows(tmp_path: Path) -> None:
    db = made(tmp_path / "state")
    asyncio.run(fill(db))
    connection = opening.open_writer(db)
    connection.execute("DELETE FROM events WHERE seq > 500")
    connection.close()
    before, rows = db.stat().st_size, read_content(db)

    said = swarmd(db, "--compact")

    assert (said.code, said.err) == (0, "")
    assert said.out == f"swarmd compacted db={db} before={before} after={db.stat().st_size}\n"
    assert db.stat().st_size < 0.6 * before
    assert read_content(db) == rows
    assert rows.faults == []


def test_a_backup_can_be_restored_and_compacted_at_once(tmp_path: Path) -> None:
    backup = made(tmp_path / "backup")
    db = tmp_path / "state" / "swarm.db"

    said = swarmd(db, "--restore", str(backup), "--compact")

    assert said.code == 0
    assert [line.split()[1] for line in said.out.splitlines()] == ["restored", "compacted"]
    assert read_content(db).faults == []


def test_a_database_that_does_not_exist_is_not_compacted(tmp_path: Path) -> None:
    db = tmp_path / "state" / "swarm.db"

    said = swarmd(db, "--compact")

    assert (said.code, said.err) == (2, f"swarmd: {db} does not exist; give --db the database to compact\n")
    assert not db.parent.exists()


def test_a_database_in_use_is_not_compacted(tmp_path: Path) -> None:
    db = made(tmp_path / "state")
    lock = opening.Lock(db.with_name("swarm.db.lock"))

    said = swarmd(db, "--compact")

    assert said.code == 3
    assert "another swarmd has this database open" in said.err
    lock.release()


def test_a_decided_restore_is_completed_before_a_compaction(tmp_path: Path) -> None:
    db = made(tmp_path / "state")
    decided = db.with_name("swarm.db.restoring-1")
    shutil.copyfile(db, decided)
    decided.chmod(0o600)

    assert swarmd(db, "--compact").code == 0

    assert restore.decided_files(db) == []
    assert db.with_name("swarm.db.before-restore-1").exists()


def test_a_file_of_another_kind_gets_the_error_that_names_it(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("tasks: []\n")
    plan.chmod(0o644)

    assert "the file is not a sound database" in swarmd(plan).err


def test_a_restore_onto_a_full_disk_leaves_the_disk_as_it_was(tmp_path: Path) -> None:
    backup = made(tmp_path / "backup")
    asyncio.run(fill(backup))
    with small_disk(tmp_path / "disk", "8m") as disk:
        db = made(disk / "state")
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * 3_000_000)
        before = content(db.parent)

        said = swarmd(db, "--restore", str(backup))

        assert (said.code, said.out) == (2, "")
        assert said.err == (
            f"swarmd: {backup} can't be restored: the disk is full; make room, then start again\n"
        )
        after = content(db.parent)
        after.pop("swarm.db.lock", None)
        assert after == before


async def test_a_backup_on_a_full_disk_is_refused_and_the_server_goes_on(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "24m") as disk:
        async with server(disk / "state") as served:
            client = served.client()
            await client.add(task_pb2.TaskDefinition(task_id="a", description="x" * 1_000_000))
            ballast = fill_disk(disk)

            failed = await refusal(read_all(client))

            assert (failed.code, failed.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORAGE_FULL")
            assert failed.message.startswith("the backup can't be written: ")
            assert not list((disk / "state").glob("*.backup-*"))
            assert await client.status("a") == "not_started"
            ballast.unlink()
            assert await read_all(client) > 1_000_000


async def read_all(client: Client) -> int:
    """Makes a backup; returns its size in bytes."""
    stream = client.operator.Backup(pb.BackupRequest(), metadata=client.metadata)
    return sum([len(message.chunk) async for message in stream])


@pytest.mark.parametrize("wal", [False, True])
def test_a_backup_on_a_read_only_disk_is_restored(tmp_path: Path, *, wal: bool) -> None:
    with small_disk(tmp_path / "disk", "16m") as disk:
        backup = made(disk / "backup")
        if wal:
            backup.rename(live := backup.with_name("live.db"))
            asyncio.run(crash(live, backup))
        remount_read_only(disk)
        db = tmp_path / "state" / "swarm.db"

        said = swarmd(db, "--restore", str(backup))

    assert (said.code, said.err) == (0, "")
    assert read_content(db).faults == []
    assert not list(db.parent.glob("*.backup-*"))
    assert count_events(db) == (100 if wal else 0) + 1, "the restore pauses the swarm"


def test_a_restore_leaves_no_file_beside_a_backup(tmp_path: Path) -> None:
    backup = made(tmp_path / "backup")
    before = content(backup.parent)

    assert swarmd(tmp_path / "state" / "swarm.db", "--restore", str(backup)).code == 0

    assert content(backup.parent) == before


async def crash(live: Path, path: Path) -> None:
    """Copies the files that a server leaves if it is killed after some writes."""
    db = Database(live, wall_us=lambda: 1)
    await db.write(_record)
    for ending in ("", "-wal"):
        shutil.copyfile(f"{live}{ending}", f"{path}{ending}")
    await db.close()


def count_events(db: Path) -> int:
    connection = opening.open_reader(db)
    try:
        return int(connection.execute("SELECT count(*) FROM events").get)
    finally:
        connection.close()


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal", ".lock", ".reserve", ".artifacts"])
@pytest.mark.parametrize("flags", [(), ("--compact",)])
def test_no_file_is_written_through_a_link_that_came_with_a_clone(
    tmp_path: Path, ending: str, flags: tuple[str, ...]
) -> None:
    db = made(tmp_path / "state")
    victim = tmp_path / "victim"
    victim.write_text("keep")
    (db.parent / f"swarm.db{ending}").symlink_to(victim)

    said = swarmd(db, *flags)

    assert (said.code, said.out) == (1, "")
    assert said.err == (
        f"swarmd: {db}: swarm.db{ending} beside it is a symbolic link, which swarmd never makes; remove it\n"
    )
    assert victim.read_text() == "keep"


def test_a_database_has_one_server_under_all_its_names(tmp_path: Path) -> None:
    db = made(tmp_path / "state")
    (tmp_path / "link.db").symlink_to(db)
    lock = opening.Lock(db.with_name("swarm.db.lock"))

    said = swarmd(tmp_path / "link.db")

    assert said.code == 3
    assert "another swarmd has this database open" in said.err
    lock.release()


@pytest.mark.parametrize("flags", [(), ("--compact",)])
def test_a_path_that_is_not_a_file_is_refused_at_once_and_nothing_is_made(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    os.mkfifo(pipe := tmp_path / "pipe.db")

    said = swarmd(pipe, *flags)

    assert (said.code, said.err) == (1, f"swarmd: {pipe}: it is not a file; give another --db\n")
    assert list(tmp_path.iterdir()) == [pipe]
