"""Whether a WAL belongs to the file that it lies beside: SQLite itself has no way to know.

A WAL that a careless copy left there would be taken for the file's own, and make of it another database or a
mixture of both.
"""

import contextlib
from pathlib import Path
from urllib.parse import quote

import apsw

from swarmd.store import checksums, events, swarm
from swarmd.store.connections import RESTORE
from swarmd.store.errors import DatabaseUnusable
from swarmd.store.transaction import ReadTx


def refuse_foreign_wal(connection: apsw.Connection, path: Path, vfs: str | None) -> None:
    """Compares the file alone with the file and its WAL together; then looks for what a mixture lacks."""
    tx = ReadTx(connection)
    alone, together = _swarm_id_alone(path, vfs), swarm.get(tx).swarm_id
    if alone is not None and alone != together:
        raise DatabaseUnusable(
            f"{path.name}-wal is of another database (swarm {together}, not {alone}); move it away, or {RESTORE}"
        )
    if events.has_gap(tx):
        raise DatabaseUnusable(f"the database is damaged (events are missing); {RESTORE}")


def _swarm_id_alone(path: Path, vfs: str | None) -> str | None:
    """What the file says without its WAL; None where a checkpoint that was cut off lets it say nothing."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    with contextlib.suppress(apsw.Error):
        connection = apsw.Connection(
            f"file:{quote(str(path))}?immutable=1", flags=flags, vfs=vfs or checksums.layer()
        )
        with contextlib.closing(connection):
            return swarm.get_id(ReadTx(connection))
    return None
