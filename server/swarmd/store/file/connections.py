"""Helpers for every connection: transactions, copies, and errors in one line."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw

from swarmd.store import failpoint
from swarmd.store.file import checksums, durable_files
from swarmd.store.file.errors import DatabaseUnusable
from swarmd.store.transaction import Tx

RESTORE: Final = "restore a backup with --restore FILE"

# The page cache of a copy. A copy is larger as a rule; tests make each copy larger.
COPY_CACHE_KIB: Final = 2_048


@contextlib.contextmanager
def transaction(connection: apsw.Connection, site: str, *, now_us: int = 0) -> Iterator[Tx]:
    """Runs the block in a transaction of its own and commits all its writes; `site` names its failpoints."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        tx = Tx(connection, now_us)
        yield tx
        tx.flush()
        failpoint.hit(f"{site}.before")
        connection.execute("COMMIT")
        failpoint.hit(f"{site}.after")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def open_alone(path: Path, *, vfs: str | None = None) -> apsw.Connection:
    """Opens the file read-only and without its WAL; makes no other file, so the folder may be read-only.

    Nobody may write the file meanwhile.
    """
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    return apsw.Connection(f"file:{quote(str(path))}?immutable=1", flags=flags, vfs=vfs or checksums.layer())


def checkpoint_and_close(connection: apsw.Connection) -> None:
    """Folds all of the WAL into the file, so that the file alone is the database; closes the connection."""
    with contextlib.closing(connection):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def copy(source: apsw.Connection, target: Path) -> None:
    """Copies the database, as of one moment, to a file that does not exist.

    The copy has a lineage mark of its own, so that no WAL of the original is ever taken for the copy's. A copy that
    fails leaves no file.
    """
    durable_files.create(target)
    try:
        _copy_pages(source, target)
    except BaseException:
        for ending in ("", "-journal", "-wal", "-shm"):
            beside(target, ending).unlink(missing_ok=True)
        raise
    durable_files.sync(target)


def _copy_pages(source: apsw.Connection, target: Path) -> None:
    connection = apsw.Connection(str(target), vfs=checksums.layer())
    with closed_on_failure(connection):
        connection.execute(f"PRAGMA cache_size=-{COPY_CACHE_KIB}")
        checksums.prepare_copy(connection, source)
        with connection.backup("main", source, "main") as pages:
            while not pages.done:
                pages.step(-1)
        Tx(connection, 0).run("lineage_set_mark")
    checkpoint_and_close(connection)


def disable_checkpoint_on_close(connection: apsw.Connection) -> None:
    """Makes the close of the connection change nothing on the disk, not even by a checkpoint."""
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)


@contextlib.contextmanager
def closed_on_failure(connection: apsw.Connection) -> Iterator[None]:
    """Closes the connection if the block fails."""
    try:
        yield
    except BaseException:
        # The close can only repeat what the error says.
        with contextlib.suppress(apsw.Error):
            connection.close()
        raise


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Turns errors of SQLite and of the system into DatabaseUnusable with one line."""
    try:
        yield
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise DatabaseUnusable(f"the file is not a sound database ({error}); {RESTORE}") from error
    except apsw.FullError as error:
        raise DatabaseUnusable("the disk is full; make room, then start again") from error
    except apsw.IOError as error:
        if not checksums.is_mismatch(error):
            raise DatabaseUnusable(f"the file can't be used ({error}); check folder and disk") from error
        raise DatabaseUnusable(f"the database is damaged (a page has a wrong checksum); {RESTORE}") from error
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise DatabaseUnusable(
            f"the file can't be opened for writing ({error}); check folder and disk"
        ) from error
    except OSError as error:
        raise DatabaseUnusable(
            f"the file can't be opened for writing ({error.strerror}); check folder and disk"
        ) from error


def sqlite_version() -> str:
    """Returns the version of the built-in SQLite."""
    return apsw.sqlite_lib_version()


def beside(path: Path, ending: str) -> Path:
    """Returns the path with the ending added to its name."""
    return path.with_name(path.name + ending)


def size(path: Path) -> int:
    """Returns the size of the file in bytes, 0 if there is none."""
    return path.stat().st_size if path.exists() else 0
