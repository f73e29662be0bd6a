"""Work on a database that no server has open: its lock, restore, compaction; errors end the program with one line."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarmd.config import ServerConfig
from swarmd.store.file import checksums, compaction, durable_files, ownership
from swarmd.store.file import restore as restoring
from swarmd.store.file.compaction import Compacted
from swarmd.store.file.connections import beside
from swarmd.store.file.errors import DatabaseHeld, DatabaseUnusable
from swarmd.store.file.opening import Lock
from swarmd.store.file.restore import Restored

# The files that swarmd and SQLite make beside a database.
SIDE_FILES: Final = ("-wal", "-shm", "-journal", ".lock", ".reserve", ".artifacts")


def restore(config: ServerConfig, backup: Path) -> Restored:
    """Replaces the database by the backup, while no server has it open."""
    path = database_path(config.db)
    if not backup.is_file():
        raise ProgramExit(
            ExitCode.USAGE,
            f"{backup} is not a file",
            hint="give --restore the file that `swarmctl backup` wrote",
        )
    lock = lock_database(path)
    try:
        refuse_foreign(path)
        return restoring.restore(path, backup)
    except DatabaseUnusable as error:
        raise ProgramExit(ExitCode.USAGE, f"{backup} can't be restored: {error}") from error
    finally:
        lock.release()


def compact(config: ServerConfig) -> Compacted:
    """Compacts the database, which no server has open."""
    path = database_path(config.db)
    if not path.exists():
        raise ProgramExit(ExitCode.USAGE, f"{path} does not exist", hint="give --db the database to compact")
    lock = lock_database(path)
    try:
        refuse_foreign(path)
        restoring.finish(path)
        return compaction.compact(path)
    except DatabaseUnusable as error:
        raise ProgramExit(ExitCode.NEGATIVE, f"{path}: {error}") from error
    finally:
        lock.release()


def database_path(db: Path) -> Path:
    """Returns the path of the file itself, so that all links to a database share its lock, its WAL and its reserve.

    Raises:
        ProgramExit: The path, or one beside it, leads to something that swarmd must not open or overwrite.
    """
    path = db.absolute()
    try:
        if path.is_symlink():
            path = path.resolve(strict=False)
        if path.exists() and not path.is_file():
            raise DatabaseUnusable("it is not a file; give another --db")
        ownership.refuse_links(beside(path, ending) for ending in SIDE_FILES)
    except OSError as error:
        raise _refused(path, error) from error
    except (DatabaseUnusable, RuntimeError) as error:
        raise ProgramExit(ExitCode.NEGATIVE, f"{path}: {error}") from error
    return path


def lock_database(path: Path) -> Lock:
    """Takes the lock of the database; makes its folder if that is missing."""
    try:
        durable_files.make_folder(path.parent)
        return Lock(path.with_name(f"{path.name}.lock"))
    except DatabaseHeld as error:
        raise ProgramExit(
            ExitCode.NOT_FOUND, f"{path}: {error}", hint="use the server that runs, or give another --db"
        ) from error
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> ProgramExit:
    """Returns the end of a program to which the system refuses the folder of the database."""
    hint = "check the folder, or give another --db"
    with suppress(OSError):
        owner, user = path.parent.stat().st_uid, os.geteuid()
        if isinstance(error, PermissionError) and owner != user:
            hint = (
                f"{path.parent} belongs to the user {owner}, and this is the user {user}: run swarmd as that user,"
                " or give the folder to this one"
            )
    return ProgramExit(ExitCode.NEGATIVE, f"{path}: {error.strerror}", hint=hint)


def refuse_foreign(path: Path) -> None:
    """Ends the program if another user owns, reads or writes a file that a start would open."""
    files = [beside(path, "-wal"), *restoring.decided_files(path)]
    if checksums.is_database(path):
        # A file of another kind gets the error that says so, when it is opened.
        files.insert(0, path)
    try:
        ownership.refuse_foreign(files)
    except DatabaseUnusable as error:
        raise ProgramExit(ExitCode.NEGATIVE, f"{path}: {error}") from error
