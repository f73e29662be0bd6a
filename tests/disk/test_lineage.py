"""A file and a WAL that do not belong together are refused, so no start makes a mixture of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from disk.powerloss import lay_out
from disk.vfs import Disk
from disk.workload import WatchedDatabase, at_work, small_limits
from support.clock import FakeClock
from support.database import read_content
from support.refusals import content, swarmd
from swarmd.store.file import opening

NAME, WAL = "swarm.db", "swarm.db-wal"
STEPS = 36
# A WAL is folded every few steps.
PAGES = (30, 60)


@dataclass(frozen=True)
class Moment:
    """The files that a crash after a step would leave, a backup of that time, and a digest of the tables."""

    file: bytes
    wal: bytes
    backup: bytes
    digest: str


async def lived(folder: Path, seed: int) -> Sequence[Moment]:
    """Returns a moment for every third step of a swarm's work."""
    path, clock = folder / NAME, FakeClock()
    db = WatchedDatabase(path, Disk(), wall_us=clock.wall_us)
    moments = []
    with small_limits(*PAGES):
        async with at_work(db, clock, seed) as work:
            await work.join()
            for number in range(STEPS):
                await work.step()
                if number % 3 == 0:
                    await db.backup(copy := folder / f"backup-{number}")
                    wal = path.with_name(WAL).read_bytes()
                    digest = db.commits[-1].digest
                    moments.append(Moment(path.read_bytes(), wal, copy.read_bytes(), digest))
    return moments


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Moment]:
    return asyncio.run(lived(tmp_path_factory.mktemp("lived"), seed=2))


@pytest.mark.slow
def test_a_file_and_a_wal_of_different_moments_are_refused_or_give_the_state_of_one_moment(
    tmp_path: Path, moments: Sequence[Moment]
) -> None:
    # The marks can't show an earlier state of the same WAL: see swarmd.store.file.wal_lineage.
    mixtures, refused = [], 0
    for at, older in enumerate(moments):
        for later, newer in enumerate(moments[at:], start=at):
            found = read_content(
                lay_out({NAME: bytearray(older.file), WAL: bytearray(newer.wal)}, tmp_path / "image")
            )
            refused += bool(found.faults)
            if not found.faults and found.digest != newer.digest:
                mixtures.append((at, later))

    assert mixtures == []
    assert refused > len(moments), "most WALs are of another time"


@pytest.mark.slow
def test_a_backup_put_by_hand_beside_any_wal_is_refused(tmp_path: Path, moments: Sequence[Moment]) -> None:
    """A backup copied over the database of a crashed server, without `--restore`, meets a foreign WAL."""
    accepted = [
        (at, later)
        for at, older in enumerate(moments)
        for later, newer in enumerate(moments)
        if not read_content(
            lay_out({NAME: bytearray(older.backup), WAL: bytearray(newer.wal)}, tmp_path / "image")
        ).faults
    ]

    assert accepted == []


@pytest.mark.slow
def test_a_wal_of_another_swarm_is_refused_in_one_line_and_nothing_is_changed(
    tmp_path: Path, moments: Sequence[Moment]
) -> None:
    (tmp_path / "other").mkdir()
    other = asyncio.run(lived(tmp_path / "other", seed=8))[-1]
    db = lay_out({NAME: bytearray(moments[-1].file), WAL: bytearray(other.wal)}, tmp_path / "state")
    before = content(db.parent)

    said = swarmd(db)

    assert (said.code, said.out) == (1, "")
    assert said.err == (
        f"swarmd: {db}: swarm.db-wal does not continue this file: it is of another database, or of another time;"
        " put the file back that it was beside, or restore a backup with --restore FILE\n"
    )
    assert content(db.parent) == before


@pytest.mark.slow
def test_a_backup_whose_wal_is_of_another_time_is_not_restored(
    tmp_path: Path, moments: Sequence[Moment]
) -> None:
    files = {NAME: bytearray(moments[0].file), WAL: bytearray(moments[-1].wal)}
    backup = lay_out(files, tmp_path / "backup")

    said = swarmd(tmp_path / "state" / NAME, "--restore", str(backup))

    assert said.code == 2
    assert "swarm.db-wal does not continue this file" in said.err
    assert not (tmp_path / "state" / NAME).exists()


def test_a_crash_at_every_start_leaves_files_that_the_next_start_opens(tmp_path: Path) -> None:
    """Each start folds the WAL and begins a new one, so the next crash leaves no older WAL."""
    opening.open_writer(tmp_path / NAME).close()
    for number in range(5):
        connection = opening.open_writer(tmp_path / NAME)
        connection.execute("UPDATE swarm SET cause = ?", (str(number),))
        files = {
            path.name: bytearray(path.read_bytes()) for path in tmp_path.glob("swarm.db*") if path.is_file()
        }
        connection.close()

        assert WAL in files
        assert read_content(lay_out(files, tmp_path / "image")).faults == []
        (tmp_path / NAME).write_bytes(files[NAME])
        (tmp_path / WAL).write_bytes(files[WAL])
