"""Whether a WAL belongs to the file that it lies beside: SQLite itself has no way to know.

A WAL that a careless copy left there would be taken for the file's own, and make of it another database or a
mixture of both. So the first commit of every WAL sets a new mark and names the one before it, and a copy gets
a mark of its own: a WAL continues a file that has, read alone, one of its two marks.

What this can't tell: whether file and WAL were copied one by one from a running server, the WAL first.
"""

import contextlib
import re
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw

from swarmd.store.file import checksums
from swarmd.store.file.connections import RESTORE
from swarmd.store.file.errors import DatabaseUnusable
from swarmd.store.transaction import ReadTx, Row, Tx

_MARK: Final = re.compile(r"[0-9a-f]{16}")


def begin(tx: Tx) -> None:
    """Sets a new mark: in the first commit after the file had taken in all of the WAL before."""
    tx.run("lineage_begin")


def refuse_foreign_wal(connection: apsw.Connection, path: Path, vfs: str | None) -> None:
    """Raises DatabaseUnusable if file and WAL, which the connection reads together, are not of one line."""
    alone = _mark_alone(path, vfs)
    if alone is not None and alone not in _marks_together(connection):
        raise DatabaseUnusable(
            f"{path.name}-wal does not continue this file: it is of another database, or of another time;"
            f" put the file back that it was beside, or {RESTORE}"
        )


def _marks_together(connection: apsw.Connection) -> Row:
    """The two marks; none where the two make so wild a mixture that it can't be read."""
    tx = ReadTx(connection)
    with contextlib.suppress(apsw.CorruptError, apsw.SQLError):
        return tx.one("lineage_marks") or ()
    return ()


def _mark_alone(path: Path, vfs: str | None) -> str | None:
    """What the file says without its WAL; None where a checkpoint that was cut off lets it say nothing."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    name = f"file:{quote(str(path))}?immutable=1"
    with contextlib.suppress(apsw.Error, UnicodeDecodeError):
        with contextlib.closing(
            apsw.Connection(name, flags=flags, vfs=vfs or checksums.layer())
        ) as connection:
            tx = ReadTx(connection)
            mark = tx.value("lineage_mark")
        return mark if isinstance(mark, str) and _MARK.fullmatch(mark) else None
    return None
