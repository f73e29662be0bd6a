"""Compaction: the database gives the space of deleted rows back to the disk. No server has it open meanwhile."""

import os
from dataclasses import dataclass
from pathlib import Path

from swarmd.store.file import opening
from swarmd.store.file.connections import checkpoint_and_close, closed_on_failure, one_line_errors, size


@dataclass(frozen=True, slots=True)
class Compacted:
    """The sizes of the database in bytes."""

    before: int
    after: int


def compact(path: Path) -> Compacted:
    """Rewrites the database in one transaction; the disk needs twice its size for the time.

    Raises:
        DatabaseUnusable: The database can't be used, or the disk is full; the database is unchanged.
    """
    connection = opening.open_writer(path)
    before = size(path)
    with one_line_errors():
        with closed_on_failure(connection):
            # The rewritten pages wait in a file beside the database: memory and /tmp may be too small.
            os.environ["SQLITE_TMPDIR"] = str(path.parent)
            connection.execute("PRAGMA temp_store=FILE")
            connection.execute("VACUUM")
        checkpoint_and_close(connection)
    return Compacted(before, size(path))
