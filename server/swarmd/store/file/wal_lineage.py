"""Marks that tie a WAL to its database file, since SQLite itself does not.

SQLite would replay a foreign WAL that a careless copy left beside the file: the result is another database or a
mixture. So the first commit of every WAL sets a new mark and names the previous one, and a copy gets a mark of its own.
Invariant: a WAL continues a file whose mark, read without the WAL, is one of the WAL's two marks.

The marks can't show that file and WAL were copied one by one from a running server, the WAL first.
"""

import contextlib
import re
from pathlib import Path
from typing import Final

import apsw

from swarmd.store.file.connections import RESTORE, open_alone
from swarmd.store.file.errors import DatabaseUnusable
from swarmd.store.transaction import ReadTx, Row, Tx

_MARK: Final = re.compile(r"[0-9a-f]{16}")


def set_mark(tx: Tx) -> None:
    """Sets a new mark; runs in the first commit after a checkpoint that folded the whole WAL."""
    tx.run("lineage_set_mark")


def refuse_foreign_wal(connection: apsw.Connection, path: Path, vfs: str | None) -> None:
    """Raises DatabaseUnusable if the WAL, which the connection reads with the file, does not continue it."""
    alone = _mark_alone(path, vfs)
    if alone is not None and alone not in _marks_together(connection):
        raise DatabaseUnusable(
            f"{path.name}-wal does not continue this file: it is of another database, or of another time;"
            f" put the file back that it was beside, or {RESTORE}"
        )


def _marks_together(connection: apsw.Connection) -> Row:
    """Returns both marks as read through the WAL; nothing if file and WAL together are unreadable."""
    tx = ReadTx(connection)
    with contextlib.suppress(apsw.CorruptError, apsw.SQLError):
        return tx.one("lineage_marks") or ()
    return ()


def _mark_alone(path: Path, vfs: str | None) -> str | None:
    """Returns the mark of the file without its WAL; None if an interrupted checkpoint left it unreadable."""
    with contextlib.suppress(apsw.Error, UnicodeDecodeError):
        with contextlib.closing(open_alone(path, vfs=vfs)) as connection:
            tx = ReadTx(connection)
            mark = tx.value("lineage_mark")
        return mark if isinstance(mark, str) and _MARK.fullmatch(mark) else None
    return None
