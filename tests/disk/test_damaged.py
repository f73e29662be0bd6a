"""Unusable databases: each is refused in one line and left unchanged, and no damage becomes an answer."""

import asyncio
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from disk.powerloss import lay_out
from disk.small_disk import fill, remount_read_only, small_disk
from disk.vfs import Disk
from disk.workload import WatchedDatabase, at_work
from support.clock import FakeClock
from support.database import read_content
from support.engine import task
from support.refusals import content, swarmd
from swarmd.store.file import opening
from swarmd.store.file.compaction import compact

PAGE = 4_096


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with many pages of every kind, closed properly."""
    return asyncio.run(_used(tmp_path_factory.mktemp("used") / "swarm.db"))


async def _used(path: Path) -> Path:
    clock = FakeClock()
    db = WatchedDatabase(path, Disk(), wall_us=clock.wall_us)
    async with at_work(db, clock, seed=5) as work:
        await work.bench.add(*(task(f"p{number}", description="describe " * 200) for number in range(40)))
        await work.join()
        for _ in range(30):
            await work.step()
    # A free page holds nothing, so damage to it is none.
    compact(path)
    return path


@pytest.mark.slow
def test_one_flipped_bit_on_any_page_is_refused(used: Path, tmp_path: Path) -> None:
    whole, rng = used.read_bytes(), random.Random(1)
    accepted = []
    for page in range(len(whole) // PAGE):
        damaged = bytearray(whole)
        place = page * PAGE + rng.randrange(PAGE)
        damaged[place] ^= 1 << rng.randrange(8)
        if not read_content(lay_out({used.name: damaged}, tmp_path / "image")).faults:
            accepted.append(place)

    assert len(whole) // PAGE > 50
    assert accepted == []


@pytest.mark.slow
def test_a_file_cut_off_at_any_page_or_within_is_refused(used: Path, tmp_path: Path) -> None:
    whole = used.read_bytes()
    sizes = [page * PAGE + more for page in range(len(whole) // PAGE) for more in (0, 1_000)]

    accepted = [
        size
        for size in sizes
        if not read_content(lay_out({used.name: bytearray(whole[:size])}, tmp_path / "image")).faults
    ]

    assert accepted == []


def _put(folder: Path, database: Path) -> Path:
    folder.mkdir()
    # As a private file, which `write_bytes` and SQLite keep.
    return lay_out({"swarm.db": bytearray(database.read_bytes())}, folder)


def _not_one(path: Path) -> None:
    path.write_text("not a database, but long enough to be looked at" * 100)


def _torn_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 3 * PAGE])


def _flipped(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[20 * PAGE + 77] ^= 1
    path.write_bytes(whole)


def _newer(path: Path) -> None:
    connection = opening.open_writer(path)
    connection.pragma("user_version", 99)
    connection.close()


def _foreign(path: Path) -> None:
    path.unlink()
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE other (x)")
    connection.close()
    path.chmod(0o600)


def _gone(path: Path) -> None:
    path.rename(path.with_name("swarm.db-wal"))


RESTORE = "restore a backup with --restore FILE"
BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "the file is empty, so it is not a database; remove it or"),
    "none": (_not_one, f"the file is not a sound database (file is not a database); {RESTORE}"),
    "cut off": (_torn_off, f"; {RESTORE}"),
    "flipped": (_flipped, "the database is damaged ("),
    "newer": (_newer, "the database is of a newer swarmd (schema 99, this one knows "),
    "of another program": (_foreign, "the file is a database of another program; give another --db"),
    "gone": (
        _gone,
        "the file is gone, but its WAL swarm.db-wal is there; restore a backup, or remove the WAL too",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", BAD)
def test_a_start_on_an_unusable_file_says_so_in_one_line_and_changes_nothing(
    tmp_path: Path, used: Path, what: str
) -> None:
    damage, message = BAD[what]
    db = _put(tmp_path / "state", used)
    damage(db)
    before = content(db.parent)

    said = swarmd(db)

    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"swarmd: {db}: ")
    assert message in said.err
    assert said.err.count("\n") == 1
    assert content(db.parent) == before


@pytest.mark.slow
def test_a_stale_index_of_the_wal_is_ignored(tmp_path: Path, used: Path) -> None:
    expected = read_content(_put(tmp_path / "clean", used))
    db = _put(tmp_path / "state", used)
    db.with_name("swarm.db-shm").write_bytes(random.Random(1).randbytes(32_768))

    assert read_content(db) == expected


@pytest.mark.slow
@pytest.mark.parametrize("there", [True, False])
def test_a_read_only_disk_is_reported(tmp_path: Path, used: Path, *, there: bool) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        if there:
            _put(disk / "state", used)
        remount_read_only(disk)

        said = swarmd(disk / "state" / "swarm.db")

    assert said.code == 1
    assert "Read-only file system; check the folder, or give another --db" in said.err
    assert said.err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("there", [True, False])
def test_a_disk_that_is_full_at_the_start_is_reported(tmp_path: Path, used: Path, *, there: bool) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        (disk / "state").mkdir()
        if there:
            shutil.copy(used, disk / "state" / "swarm.db")
        ballast = fill(disk)
        before = content(disk / "state")

        said = swarmd(disk / "state" / "swarm.db")

        assert said.code == 1
        assert "full" in said.err or "No space left on device" in said.err
        assert said.err.count("\n") == 1, said.err
        assert content(disk / "state").get("swarm.db") == before.get("swarm.db")
        ballast.unlink()
        assert read_content(disk / "state" / "swarm.db").faults == [], "with room again it starts"


@pytest.mark.slow
@pytest.mark.parametrize("place", ["a file", "a folder"])
def test_a_path_that_can_not_be_a_database_is_reported(tmp_path: Path, place: str) -> None:
    state = tmp_path / "state"
    if place == "a file":
        state.write_text("")
    else:
        (state / "swarm.db").mkdir(parents=True)

    said = swarmd(state / "swarm.db")

    assert said.code == 1
    assert said.err.startswith(f"swarmd: {state / 'swarm.db'}: ")
    assert said.err.count("\n") == 1
