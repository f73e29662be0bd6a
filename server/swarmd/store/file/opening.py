"""Opening the database file: the lock, the checks that refuse a bad file, the settings, the migrations.

Invariant: a crash at any place leaves a file that the next start opens. A new database, or a kept copy, gets its
name only when it is complete and on the disk.
"""

import fcntl
import glob
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

import apsw

from swarmd.store import failpoint, swarm
from swarmd.store.file import checksums, durable_files, filesystem, wal_lineage
from swarmd.store.file.connections import (
    RESTORE,
    beside,
    checkpoint_and_close,
    closed_on_failure,
    copy,
    disable_checkpoint_on_close,
    one_line_errors,
    size,
    transaction,
)
from swarmd.store.file.epoch_file import EpochFile
from swarmd.store.file.errors import DatabaseHeld, DatabaseUnusable
from swarmd.store.text_search import add_functions
from swarmd.store.transaction import ReadTx

# The number of statements that stay prepared: enough for every batch statement in each of its sizes.
PREPARED: Final = 256
# Before this one, two connections could corrupt a WAL that was just being reset.
MIN_SQLITE: Final = (3, 51, 3)
# The page cache of the writer. Tests set a small one, so that transactions are larger than the cache.
CACHE_KIB: Final = 65_536
# SQLite cuts a longer WAL to this size at its next beginning.
WAL_KEPT_BYTES: Final = 67_108_864
# "SWRM": distinguishes our files from those of other programs.
APPLICATION_ID: Final = 0x5357524D
# A file with one of these endings gets its real name when it is complete.
FRESH_DATABASE: Final = ".new"
FRESH_COPY: Final = ".before-schema.new"
FRESH: Final = (FRESH_DATABASE, FRESH_COPY)
# The ending of the folders in which backups are made.
SCRATCH: Final = ".backup-"
_MIGRATION: Final = re.compile(r"(\d{4})_\w+\.sql")


class Lock:
    """The exclusive right to one database file, until the process ends."""

    def __init__(self, path: Path) -> None:
        """Takes the lock; raises DatabaseHeld, which names the holder, if another process has it."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise DatabaseHeld(f"another swarmd has this database open (pid {pid})") from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Releases the lock. The file stays: its removal would race with the next holder."""
        os.close(self._fd)


@dataclass(frozen=True, slots=True)
class Migration:
    """A step of the schema; its number is the `user_version` that it leaves."""

    number: int
    sql: str


def migrations() -> Sequence[Migration]:
    """Returns the migrations of the package, in order."""
    found = [
        Migration(int(match[1]), entry.read_text(encoding="utf-8"))
        for entry in resources.files("swarmd.store").joinpath("migrations").iterdir()
        if (match := _MIGRATION.fullmatch(entry.name))
    ]
    return sorted(found, key=lambda migration: migration.number)


def open_writer(path: Path, *, vfs: str | None = None) -> apsw.Connection:
    """Opens the file for writing; makes a missing one and migrates an old one.

    Raises:
        DatabaseUnusable: The file can't be used; it is unchanged. No new database ever replaces a damaged one.
    """
    if tuple(int(n) for n in apsw.sqlite_lib_version().split(".")[:3]) < MIN_SQLITE:
        raise DatabaseUnusable(
            f"SQLite {apsw.sqlite_lib_version()} is too old; upgrade apsw to 3.53.3 or later"
        )
    vfs = vfs or checksums.layer()
    with one_line_errors():
        filesystem.refuse_network(path.parent)
        checksums.refuse_to_break(path, vfs)
        remove_leftovers(path)
        if not path.exists():
            _make(path, vfs)
        if path.is_file() and path.stat().st_size == 0:
            raise DatabaseUnusable(
                "the file is empty, so it is not a database; remove it or restore a backup"
            )
        # One thread uses the connection, so SQLite needs no mutex.
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOMUTEX
        connection = apsw.Connection(str(path), flags=flags, vfs=vfs, statementcachesize=PREPARED)
        with closed_on_failure(connection):
            after_crash = size(beside(path, "-wal")) > 0
            check(connection, path, vfs, thorough=after_crash)
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
            _configure(connection)
            add_functions(connection)
            _begin_wal(connection)
            _migrate(connection, path)
            _reconcile_epoch(connection, EpochFile(path))
    return connection


def open_reader(path: Path, *, vfs: str | None = None) -> apsw.Connection:
    """Opens the file for reading; each transaction is a snapshot."""
    vfs = vfs or checksums.layer()
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=vfs)
    connection.set_busy_timeout(5_000)
    connection.execute("PRAGMA trusted_schema=OFF")
    add_functions(connection)
    _plan_once(connection)
    return connection


def check(connection: apsw.Connection, path: Path, vfs: str | None, *, thorough: bool) -> None:
    """Raises DatabaseUnusable if the file is unsound; changes no byte, not even at the close of the connection.

    A thorough check also reads every index and every foreign key.
    """
    disable_checkpoint_on_close(connection)
    connection.set_busy_timeout(5_000)
    if size(beside(path, "-wal")):
        wal_lineage.refuse_foreign_wal(connection, path, vfs)
    application_id, version = connection.pragma("application_id"), connection.pragma("user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
    if application_id != APPLICATION_ID:
        what = "a database of another program" if tables else "an empty database"
        raise DatabaseUnusable(f"the file is {what}; give another --db")
    newest = migrations()[-1].number
    if isinstance(version, int) and version > newest:
        raise DatabaseUnusable(
            f"the database is of a newer swarmd (schema {version}, this one knows {newest}); upgrade swarmd"
        )
    fault = connection.pragma("integrity_check" if thorough else "quick_check")
    if fault == "ok" and thorough and connection.execute("PRAGMA foreign_key_check").fetchone():
        fault = "a foreign key points nowhere"
    if fault != "ok":
        raise DatabaseUnusable(f"the database is damaged ({_first_line(fault)}); {RESTORE}")


def remove_leftovers(path: Path) -> None:
    """Removes the incomplete files that a crash has left; the caller holds the lock."""
    for ending in (*FRESH, *(f"{fresh}{tail}" for fresh in FRESH for tail in ("-wal", "-shm", "-journal"))):
        beside(path, ending).unlink(missing_ok=True)
    for folder in path.parent.glob(f"{escaped(path)}{SCRATCH}*/"):
        shutil.rmtree(folder, ignore_errors=True)


def escaped(path: Path) -> str:
    """Returns the name as a glob pattern that matches only itself."""
    return glob.escape(path.name)


def _make(path: Path, vfs: str | None) -> None:
    """Makes a new database under another name first, so that the name never stands for an incomplete one."""
    if size(beside(path, "-wal")):
        raise DatabaseUnusable(
            f"the file is gone, but its WAL {path.name}-wal is there; restore a backup, or remove the WAL too"
        )
    fresh = beside(path, FRESH_DATABASE)
    # SQLite would make it readable for everybody, and the WAL gets the mode of the file.
    durable_files.create(fresh)
    connection = apsw.Connection(str(fresh), vfs=vfs)
    with closed_on_failure(connection):
        if vfs == checksums.layer() is not None:
            checksums.reserve(connection)
        _configure(connection)
        _migrate(connection, fresh)
    checkpoint_and_close(connection)
    durable_files.sync(fresh)
    failpoint.hit("make.before")
    durable_files.move(fresh, path)
    failpoint.hit("make.after")


def _configure(connection: apsw.Connection) -> None:
    # FULL: an acknowledged write survives a power failure. Checkpoints are separate steps, so that an error of
    # COMMIT is about the commit.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "trusted_schema=OFF",
        "wal_autocheckpoint=0",
        f"journal_size_limit={WAL_KEPT_BYTES}",
        f"cache_size=-{CACHE_KIB}",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")
    _plan_once(connection)


def _plan_once(connection: apsw.Connection) -> None:
    """Makes SQLite plan each statement once.

    Performance: a new plan for each set of values took ten times as long (docs/performance.md).
    """
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


def _begin_wal(connection: apsw.Connection) -> None:
    """Folds the WAL that a crash has left into the file, and begins a new WAL."""
    failpoint.hit("fold.before")
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    failpoint.hit("fold.after")
    with transaction(connection, "wal") as tx:
        wal_lineage.set_mark(tx)


def _migrate(connection: apsw.Connection, path: Path) -> None:
    version = connection.pragma("user_version")
    assert isinstance(version, int)
    due = [migration for migration in migrations() if migration.number > version]
    if due and version > 0:
        _keep_copy(connection, path, due[-1].number)
    for migration in due:
        with transaction(connection, "migrate"):
            connection.execute(migration.sql)
            connection.execute(f"PRAGMA user_version={migration.number}")
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")


def _keep_copy(connection: apsw.Connection, path: Path, number: int) -> None:
    """Keeps a copy of the database from before a migration; replaces the copy of an earlier try."""
    fresh = beside(path, FRESH_COPY)
    failpoint.hit("copy.before")
    copy(connection, fresh)
    durable_files.move(fresh, beside(path, f".before-schema-{number}"))
    failpoint.hit("copy.after")


def _reconcile_epoch(connection: apsw.Connection, epochs: EpochFile) -> None:
    """Begins a new epoch if the database is older than the epoch file."""
    epoch, highest = swarm.get(ReadTx(connection)).epoch, epochs.highest()
    if epoch >= highest:
        epochs.raise_to(epoch)
        return
    epochs.raise_to(highest + 1)
    with transaction(connection, "settle") as tx:
        swarm.set_epoch(tx, highest + 1)


def _first_line(faults: object) -> str:
    """Returns the first fault of SQLite's list, without its heading."""
    first = str(faults[0] if isinstance(faults, list) else faults)
    return first.removeprefix("*** in database main ***\n").splitlines()[0]
