"""Opening the database file: the lock, the checks that refuse a bad file, the settings, the migrations.

A crash at any place leaves a file that the next start opens: what is made anew, or kept as a copy, gets its
name only when it is whole and on the disk.
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
    closed_on_failure,
    copy,
    fold,
    leave_as_is,
    plainly,
    size,
    transaction,
)
from swarmd.store.file.epoch_file import Epochs
from swarmd.store.file.errors import DatabaseHeld, DatabaseUnusable
from swarmd.store.transaction import Tx

# Statements that stay prepared: each of those that are made for many rows at once, in each of their sizes.
PREPARED: Final = 256
# Before this one, two connections could corrupt a WAL that was just being reset.
MIN_SQLITE: Final = (3, 51, 3)
# "SWRM", so that a file of another program is not taken for ours.
APPLICATION_ID: Final = 0x5357524D
# What is made under these endings gets its real name when it is whole.
FRESH_DATABASE: Final = ".new"
FRESH_COPY: Final = ".before-schema.new"
FRESH: Final = (FRESH_DATABASE, FRESH_COPY)
# Folders in which backups are made.
SCRATCH: Final = ".backup-"
_MIGRATION: Final = re.compile(r"(\d{4})_\w+\.sql")


class Lock:
    """The exclusive right to one database file, for as long as the process lives."""

    def __init__(self, path: Path) -> None:
        """Raises DatabaseHeld, naming the holder, if another process has it."""
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
        """Lets another process have it. The file stays: removing it would race with the next holder."""
        os.close(self._fd)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; its number is the `user_version` that it leaves."""

    number: int
    sql: str


def migrations() -> Sequence[Migration]:
    """The steps that the package ships, in order."""
    found = [
        Migration(int(match[1]), entry.read_text(encoding="utf-8"))
        for entry in resources.files("swarmd.store").joinpath("migrations").iterdir()
        if (match := _MIGRATION.fullmatch(entry.name))
    ]
    return sorted(found, key=lambda migration: migration.number)


def open_writer(path: Path, *, vfs: str | None = None) -> apsw.Connection:
    """Opens the file for writing, makes it if there is none, and brings it up to date.

    Raises DatabaseUnusable: never makes a fresh database over a damaged one, and leaves one that it refuses
    as it is.
    """
    if tuple(int(n) for n in apsw.sqlite_lib_version().split(".")[:3]) < MIN_SQLITE:
        raise DatabaseUnusable(
            f"SQLite {apsw.sqlite_lib_version()} is too old; upgrade apsw to 3.53.3 or later"
        )
    vfs = vfs or checksums.layer()
    with plainly():
        filesystem.refuse_network(path.parent)
        checksums.refuse_to_break(path, vfs)
        remove_leftovers(path)
        if not path.exists():
            _make(path, vfs)
        if path.is_file() and path.stat().st_size == 0:
            raise DatabaseUnusable("the file is empty, so it is no database; remove it or restore a backup")
        # One thread uses it, so SQLite need not see to that itself.
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOMUTEX
        connection = apsw.Connection(str(path), flags=flags, vfs=vfs, statementcachesize=PREPARED)
        with closed_on_failure(connection):
            after_crash = size(beside(path, "-wal")) > 0
            check(connection, path, vfs, thorough=after_crash)
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
            _configure(connection)
            _begin_wal(connection)
            _migrate(connection, path)
            _settle_epoch(connection, Epochs(path))
    return connection


def open_reader(path: Path, *, vfs: str | None = None) -> apsw.Connection:
    """Opens the file for reading; each transaction sees one moment."""
    vfs = vfs or checksums.layer()
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=vfs)
    connection.set_busy_timeout(5_000)
    connection.execute("PRAGMA trusted_schema=OFF")
    _keep_plans(connection)
    return connection


def check(connection: apsw.Connection, path: Path, vfs: str | None, *, thorough: bool) -> None:
    """Looks without changing a byte, not even when the connection is closed; thoroughly: at every index too."""
    leave_as_is(connection)
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
        raise DatabaseUnusable(f"the database is damaged ({_in_a_line(fault)}); {RESTORE}")


def remove_leftovers(path: Path) -> None:
    """Takes away what a crash has left half done; whoever calls holds the lock."""
    for ending in (*FRESH, *(f"{fresh}{tail}" for fresh in FRESH for tail in ("-wal", "-shm", "-journal"))):
        beside(path, ending).unlink(missing_ok=True)
    for folder in path.parent.glob(f"{escaped(path)}{SCRATCH}*/"):
        shutil.rmtree(folder, ignore_errors=True)


def escaped(path: Path) -> str:
    """The name as a pattern that fits nothing but itself."""
    return glob.escape(path.name)


def _make(path: Path, vfs: str | None) -> None:
    """Makes a new database under another name first, so that the name never stands for half of one."""
    if size(beside(path, "-wal")):
        raise DatabaseUnusable(
            f"the file is gone, but its WAL {path.name}-wal is there; restore a backup, or remove that too"
        )
    fresh = beside(path, FRESH_DATABASE)
    # SQLite would let everybody read it, and the WAL takes its mode from the file.
    os.close(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = apsw.Connection(str(fresh), vfs=vfs)
    with closed_on_failure(connection):
        if vfs == checksums.layer() is not None:
            checksums.reserve(connection)
        _configure(connection)
        _migrate(connection, fresh)
    fold(connection)
    durable_files.sync(fresh)
    failpoint.hit("make.before")
    durable_files.move(fresh, path)
    failpoint.hit("make.after")


def _configure(connection: apsw.Connection) -> None:
    # FULL: what was answered survives a loss of power. Checkpoints are a step of their own, so that an
    # error from COMMIT is about the commit.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "trusted_schema=OFF",
        "wal_autocheckpoint=0",
        "journal_size_limit=67108864",
        "cache_size=-65536",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")
    _keep_plans(connection)


def _keep_plans(connection: apsw.Connection) -> None:
    """Has each statement planned once, and not anew for every value that it is given: that took ten times as long."""
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


def _begin_wal(connection: apsw.Connection) -> None:
    """Takes what a crash has left in the WAL into the file, and begins a new one."""
    failpoint.hit("fold.before")
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    failpoint.hit("fold.after")
    with transaction(connection, "wal"):
        wal_lineage.begin(Tx(connection, 0))


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
    """Keeps the database as it is before a migration; a copy that is there already is of an earlier try."""
    fresh = beside(path, FRESH_COPY)
    failpoint.hit("copy.before")
    copy(connection, fresh)
    durable_files.move(fresh, beside(path, f".before-schema-{number}"))
    failpoint.hit("copy.after")


def _settle_epoch(connection: apsw.Connection, epochs: Epochs) -> None:
    """A database that is older than its folder knows begins a new epoch."""
    tx = Tx(connection, 0)
    epoch, highest = swarm.get(tx).epoch, epochs.highest()
    if epoch >= highest:
        epochs.raise_to(epoch)
        return
    epochs.raise_to(highest + 1)
    with transaction(connection, "settle"):
        swarm.set_epoch(tx, highest + 1)


def _in_a_line(faults: object) -> str:
    """The first of what SQLite has found, without the heading that it gives them."""
    first = str(faults[0] if isinstance(faults, list) else faults)
    return first.removeprefix("*** in database main ***\n").splitlines()[0]
