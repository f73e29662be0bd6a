"""Restore: a backup replaces the database in one atomic decision, which every later start completes.

Invariant: before the decision the present database is untouched; after it, the present database is kept under another
name. A crash in between leaves one of the two in place, never a mixture.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from swarmd.domain.model import SwarmMode
from swarmd.store import events, failpoint, swarm
from swarmd.store.events import EventKind
from swarmd.store.file import checksums, durable_files, opening, replica
from swarmd.store.file.connections import (
    beside,
    checkpoint_and_close,
    closed_on_failure,
    copy,
    one_line_errors,
    open_alone,
    size,
    transaction,
)
from swarmd.store.file.epoch_file import EpochFile
from swarmd.store.transaction import ReadTx

KEPT: Final = ".before-restore-"
# The ending of the restored database between the decision and its rename; the number names the kept old one.
_DECIDED: Final = ".restoring-"
_CAUSE: Final = (
    "restored from a backup; resume when the workers of the lost time are back, or known to be gone"
)


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore."""

    epoch: int
    # The path of the database that was in place before, if there was one.
    kept: Path | None


def restore(path: Path, backup: Path) -> Restored:
    """Puts a copy of the backup in place, paused and in a new epoch; the caller holds the lock.

    Raises:
        DatabaseUnusable: The backup can't be used; nothing is changed.
    """
    finish(path)
    opening.remove_leftovers(path)
    with one_line_errors():
        fresh = beside(path, opening.FRESH_DATABASE)
        _copy_backup(backup, fresh, scratch=beside(path, f"{opening.SCRATCH}restore"))
        epoch = _begin_epoch(fresh, EpochFile(path))
        number = next(n for n in range(1, 1_000_000) if not _is_taken(path, n))
        kept = beside(path, f"{KEPT}{number}") if path.exists() else None
        failpoint.hit("restore.before")
        durable_files.move(fresh, beside(path, f"{_DECIDED}{number}"))
        failpoint.hit("restore.after")
        finish(path)
    return Restored(epoch, kept)


def decided_files(path: Path) -> list[Path]:
    """Returns the restored databases that wait for the name; there is at most one, unless others made some."""
    return sorted(path.parent.glob(f"{opening.escaped(path)}{_DECIDED}*"))


def finish(path: Path) -> None:
    """Completes a restore that was decided, if there is one."""
    with one_line_errors():
        for decided in decided_files(path):
            if (number := decided.name.rpartition("-")[2]).isdecimal():
                _complete(path, decided, beside(path, f"{KEPT}{number}"))


def _complete(path: Path, decided: Path, kept: Path) -> None:
    for tail in ("-wal", ""):
        if beside(path, tail).exists():
            failpoint.hit("keep.before")
            durable_files.move(beside(path, tail), beside(kept, tail))
            failpoint.hit("keep.after")
    beside(path, "-shm").unlink(missing_ok=True)
    failpoint.hit("place.before")
    durable_files.move(decided, path)
    failpoint.hit("place.after")


def _copy_backup(backup: Path, fresh: Path, *, scratch: Path) -> None:
    """Checks the backup and copies it, its WAL included."""
    with _readable(backup, scratch) as file:
        alone = size(beside(file, "-wal")) == 0
        with contextlib.closing(open_alone(file) if alone else opening.open_reader(file)) as source:
            opening.check(source, file, None, thorough=True)
            copy(source, fresh)


@contextlib.contextmanager
def _readable(backup: Path, scratch: Path) -> Iterator[Path]:
    """Yields the backup, or a copy of it if SQLite needs to write beside it and can't; or what a replica holds.

    To read a WAL SQLite makes an index file in the same folder, which may be on a read-only disk.
    """
    if backup.is_dir():
        with replica.assembled(backup, scratch) as file:
            yield file
        return
    wal = beside(backup, "-wal")
    if size(wal) == 0 or os.access(backup.parent, os.W_OK):
        yield backup
        return
    scratch.mkdir(mode=0o700)
    try:
        for file in (backup, wal):
            shutil.copyfile(file, scratch / file.name)
        yield scratch / backup.name
    finally:
        shutil.rmtree(scratch)


def _begin_epoch(fresh: Path, epochs: EpochFile) -> int:
    connection = apsw.Connection(str(fresh), flags=apsw.SQLITE_OPEN_READWRITE, vfs=checksums.layer())
    with closed_on_failure(connection):
        epoch = max(swarm.get(ReadTx(connection)).epoch, epochs.highest()) + 1
        epochs.raise_to(epoch)
        with transaction(connection, "restore", now_us=time.time_ns() // 1_000) as tx:
            swarm.set_epoch(tx, epoch)
            if swarm.get(tx).mode is SwarmMode.RUNNING:
                swarm.set_mode(tx, SwarmMode.PAUSED, cause=_CAUSE)
                events.append(tx, EventKind.SWARM_PAUSED, cause=_CAUSE)
    checkpoint_and_close(connection)
    durable_files.sync(fresh)
    return epoch


def _is_taken(path: Path, number: int) -> bool:
    kept = beside(path, f"{KEPT}{number}")
    return kept.exists() or beside(kept, "-wal").exists()
