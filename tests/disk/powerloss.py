"""Power failures at random places of a swarm's work, checked as the next start would check the files."""

import asyncio
import collections
import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from disk.images import Files, Loss, images
from disk.vfs import Disk, mounted
from disk.workload import SMALL_CACHE_KIB, Commit, WatchedDatabase, at_work, small_limits
from support.clock import FakeClock
from support.database import faults, read_content
from swarmd.store.file import opening

STEPS = 40
IMAGES_A_RUN = 100
# Small enough that many WALs are folded in a short run.
PAGES = (60, 200)
NAME = "swarm.db"


@dataclass
class Tally:
    """The results; `bad` names the seeds and places for a repetition."""

    images: int = 0
    commits: int = 0
    checkpoints: int = 0
    # Pages that were written before their transaction was committed, since the cache was full.
    spills: int = 0
    losses: collections.Counter[Loss] = field(default_factory=collections.Counter)
    lost: int = 0
    corrupt: int = 0
    torn: int = 0
    bad: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Returns the figures."""
        kinds = ", ".join(f"{count} {loss}" for loss, count in sorted(self.losses.items()))
        return (
            f"{self.images} power cuts over {self.commits} commits and {self.checkpoints} checkpoints ({kinds}):"
            f" {self.lost} lost an acknowledged commit, {self.corrupt} corrupt, {self.torn} torn"
        )


@dataclass(frozen=True)
class Recording:
    """The disk operations of one swarm, and its acknowledged commits."""

    before: dict[str, bytes]
    disk: Disk
    commits: Sequence[Commit]
    spills: int


def run(count: int, seed: int, *, synchronous: str = "FULL") -> Tally:
    """Judges `count` images of one or more swarms; every other swarm has a small page cache."""
    tally = Tally()
    scratch = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        while tally.images < count:
            recording = asyncio.run(record(scratch / "live", seed, synchronous))
            wanted = min(IMAGES_A_RUN, count - tally.images)
            judge(recording, wanted, seed, tally, scratch / "image")
            seed += 1
    finally:
        shutil.rmtree(scratch)
    return tally


async def record(folder: Path, seed: int, synchronous: str) -> Recording:
    """Records a swarm at work on a new database."""
    path, disk, clock = lay_out({}, folder), Disk(), FakeClock()
    cache_kib = SMALL_CACHE_KIB if seed % 2 else opening.CACHE_KIB
    with mounted(Disk()) as vfs:
        opening.open_writer(path, vfs=vfs).close()
    before = {path.name: path.read_bytes()}
    with mounted(disk) as vfs, small_limits(*PAGES, cache_kib=cache_kib):
        db = WatchedDatabase(path, disk, wall_us=clock.wall_us, vfs=vfs)
        db._writer.pragma("synchronous", synchronous)
        async with at_work(db, clock, seed) as work:
            await work.join()
            for _ in range(STEPS):
                await work.step()
            wrong = await db.read(lambda tx: faults(tx._connection))
            assert wrong == [], f"seed {seed}: the workload itself breaks a rule"
            spills, _ = db._writer.status(apsw.SQLITE_DBSTATUS_CACHE_SPILL)
    return Recording(before, disk, db.commits, spills)


def judge(recording: Recording, count: int, seed: int, tally: Tally, folder: Path) -> None:
    """Judges `count` images of one recording."""
    ops = recording.disk.ops
    at = {commit.digest: index for index, commit in enumerate(recording.commits)}
    first = recording.commits[0].ops
    tally.commits += len(recording.commits)
    tally.spills += recording.spills
    tally.checkpoints += sum(op.kind == "sync" and op.file == NAME for op in ops)
    for cut, loss, files in images(recording.before, ops, count, random.Random(seed)):
        tally.images += 1
        tally.losses[loss] += 1
        acknowledged = sum(commit.ops <= max(cut, first) for commit in recording.commits) - 1
        wrong = read_content(lay_out(files, folder))
        found = at.get(wrong.digest)
        if wrong.faults:
            tally.corrupt += 1
        elif found is None:
            tally.torn += 1
        elif found < acknowledged:
            tally.lost += 1
        else:
            continue
        tally.bad.append(f"seed {seed} cut {cut} {loss}: {wrong.faults or found} of {acknowledged}")


def lay_out(files: Files, folder: Path) -> Path:
    """Writes an image where it can be opened; it has no -shm, which is not durable."""
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o600)
    return folder / NAME
