"""What all who open a database have in common: one write at a time, one line about what is wrong."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw

from swarmd.store import failpoint
from swarmd.store.file import checksums, durable_files
from swarmd.store.file.errors import DatabaseUnusable
from swarmd.store.transaction import Tx

RESTORE: Final = "restore a backup with --restore FILE"


@contextlib.contextmanager
def transaction(connection: apsw.Connection, site: str) -> Iterator[None]:
    """One write outside the groups of the running database."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        failpoint.hit(f"{site}.before")
        connection.execute("COMMIT")
        failpoint.hit(f"{site}.after")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def fold(connection: apsw.Connection) -> None:
    """Puts all of the WAL into the file, so that the file alone is the database; then closes it."""
    with contextlib.closing(connection):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def copy(source: apsw.Connection, target: Path) -> None:
    """Copies the database, as of one moment, to a file that is not there yet, page by page.

    The copy has a mark of its own, so that no WAL of what was copied is ever taken for its own.
    """
    connection = apsw.Connection(str(target), vfs=checksums.layer())
    with closed_on_failure(connection):
        with connection.backup("main", source, "main") as pages:
            while not pages.done:
                pages.step(-1)
        Tx(connection, 0).run("lineage_begin")
    fold(connection)
    target.chmod(0o600)
    durable_files.sync(target)


def leave_as_is(connection: apsw.Connection) -> None:
    """Closing it changes nothing on the disk, not even by folding the WAL."""
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)


@contextlib.contextmanager
def closed_on_failure(connection: apsw.Connection) -> Iterator[None]:
    """Closes the connection if the block fails."""
    try:
        yield
    except BaseException:
        # It says only once more what the error says already.
        with contextlib.suppress(apsw.Error):
            connection.close()
        raise


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """Says in one line what SQLite and the system say of a file."""
    try:
        yield
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise DatabaseUnusable(f"the file is no sound database ({error}); {RESTORE}") from error
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
    """The SQLite that is built in."""
    return apsw.sqlite_lib_version()


def beside(path: Path, ending: str) -> Path:
    """The file whose name is that of the database and something more."""
    return path.with_name(path.name + ending)


def size(path: Path) -> int:
    """The bytes in the file, 0 if there is none."""
    return path.stat().st_size if path.exists() else 0
