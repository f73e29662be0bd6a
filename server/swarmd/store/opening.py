"""Opening the database file: the lock, the checks that refuse a bad file, the settings, the migrations."""

import fcntl
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

import apsw

from swarmd.store.errors import DatabaseHeld, DatabaseUnusable

# Before this one, two connections could corrupt a WAL that was just being reset.
MIN_SQLITE: Final = (3, 51, 3)
# "SWRM", so that a file of another program is not taken for ours.
APPLICATION_ID: Final = 0x5357524D
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
        for entry in files("swarmd.store").joinpath("migrations").iterdir()
        if (match := _MIGRATION.fullmatch(entry.name))
    ]
    return sorted(found, key=lambda migration: migration.number)


def open_writer(path: Path) -> apsw.Connection:
    """Opens the file for writing, makes it if there is none, and brings it up to date.

    Raises DatabaseUnusable: never makes a fresh database over a damaged one.
    """
    if tuple(int(n) for n in apsw.sqlite_lib_version().split(".")[:3]) < MIN_SQLITE:
        raise DatabaseUnusable(
            f"SQLite {apsw.sqlite_lib_version()} is too old; upgrade apsw to 3.53.3 or later"
        )
    if path.exists() and path.stat().st_size == 0:
        raise DatabaseUnusable("the file is empty, so it is no database; remove it or restore a backup")
    try:
        # The WAL takes its mode from the file, so the file has the right one from the start.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = apsw.Connection(str(path))
        try:
            _check(connection)
            _configure(connection)
            _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise DatabaseUnusable(f"the file is no sound database ({error}); restore a backup") from error
    except (
        apsw.CantOpenError,
        apsw.ReadOnlyError,
        apsw.IOError,
        apsw.FullError,
        apsw.PermissionsError,
    ) as error:
        raise DatabaseUnusable(
            f"the file can't be opened for writing ({error}); check folder and disk"
        ) from error
    except OSError as error:
        raise DatabaseUnusable(f"the file can't be opened for writing ({error.strerror})") from error
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """Opens the file for reading; each transaction sees one moment."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(5_000)
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


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


def _check(connection: apsw.Connection) -> None:
    """Looks without changing a byte: a file that is not ours stays as it is."""
    connection.set_busy_timeout(5_000)
    application_id, version = connection.pragma("application_id"), connection.pragma("user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
    if tables and application_id != APPLICATION_ID:
        raise DatabaseUnusable("the file is a database of another program; give another --db")
    newest = migrations()[-1].number
    if isinstance(version, int) and version > newest:
        raise DatabaseUnusable(
            f"the database is of a newer swarmd (schema {version}, this one knows {newest}); upgrade swarmd"
        )
    if (fault := connection.pragma("quick_check")) != "ok":
        raise DatabaseUnusable(f"the database is damaged ({fault}); restore a backup")


def _migrate(connection: apsw.Connection, path: Path) -> None:
    version = connection.pragma("user_version")
    assert isinstance(version, int)
    due = [migration for migration in migrations() if migration.number > version]
    if due and version > 0:
        connection.execute("VACUUM INTO ?", (f"{path}.before-schema-{due[-1].number}",))
    for migration in due:
        with connection:
            connection.execute(migration.sql)
            connection.execute(f"PRAGMA user_version={migration.number}")
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
