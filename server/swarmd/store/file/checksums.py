"""A checksum in every page, so that a byte that has changed on the disk is an error and never an answer.

The layer is SQLite's own `cksumvfs`, which apsw's wheels bring along. It keeps its sums in the last bytes of
each page; a database that was made without it is served as it is.
"""

import contextlib
import functools
from pathlib import Path
from typing import Final

import apsw
import apsw.sqlite_extra

from swarmd.store.file.errors import DatabaseUnusable

RESERVED_BYTES: Final = 8
_EXTENSION: Final = "cksumvfs"
_VFS: Final = "cksmvfs"
# Where the header of a database says how many bytes of each page are reserved.
_HEADER_PLACE: Final = 20


@functools.cache
def layer() -> str | None:
    """The way to the disk that keeps the sums, None where apsw does not bring it."""
    if not apsw.sqlite_extra.has(_EXTENSION):
        return None
    with contextlib.closing(apsw.Connection(":memory:")) as connection:
        apsw.sqlite_extra.load(connection, _EXTENSION)
    return _VFS


def reserve(connection: apsw.Connection) -> None:
    """Makes room for the sums in a database that is about to be made."""
    connection.reserve_bytes("main", RESERVED_BYTES)


def refuse_to_break(path: Path, vfs: str | None) -> None:
    """Without the layer, every write would leave sums that are wrong."""
    if vfs is not None or not path.is_file():
        return
    with path.open("rb") as file:
        header = file.read(_HEADER_PLACE + 1)
    if header[_HEADER_PLACE:] == bytes([RESERVED_BYTES]):
        raise DatabaseUnusable(
            "its pages have checksums, which this build of apsw can't keep; use apsw's wheel"
        )


def is_mismatch(error: BaseException) -> bool:
    """Whether a page is not what was written."""
    return getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_DATA
