"""A checksum in every page: a byte that changed on the disk becomes an error and never a wrong answer.

The layer is SQLite's own `cksumvfs`, which apsw's wheels contain. It keeps a sum in the last bytes of each page of
the file; pages in the WAL have none. A database made without the layer is served without sums.
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
# The offset of the header byte with the number of reserved bytes of each page.
_HEADER_PLACE: Final = 20
_MAGIC: Final = b"SQLite format 3\0"


@functools.cache
def layer() -> str | None:
    """Returns the name of the VFS that keeps the sums, None if apsw does not have it."""
    if not apsw.sqlite_extra.has(_EXTENSION):
        return None
    with contextlib.closing(apsw.Connection(":memory:")) as connection:
        apsw.sqlite_extra.load(connection, _EXTENSION)
    return _VFS


def reserve(connection: apsw.Connection) -> None:
    """Reserves the bytes for the sums in a database that has no page yet."""
    connection.reserve_bytes("main", RESERVED_BYTES)


def prepare_copy(target: apsw.Connection, source: apsw.Connection) -> None:
    """Writes the first page of an empty copy, with the same page size and the same reserved bytes as the source.

    The layer learns from the first page that the other pages have sums. A copy larger than the page cache writes other
    pages before the first one, and without this step those pages would get no sum.
    """
    target.execute(f"PRAGMA page_size={source.pragma('page_size')}")
    target.reserve_bytes("main", source.reserve_bytes("main"))
    target.pragma("user_version", 1)


def refuse_to_break(path: Path, vfs: str | None) -> None:
    """Raises DatabaseUnusable if a write would leave wrong sums: the file has sums, and `vfs` is None."""
    if vfs is not None or not path.is_file():
        return
    with path.open("rb") as file:
        header = file.read(_HEADER_PLACE + 1)
    if header[_HEADER_PLACE:] == bytes([RESERVED_BYTES]):
        raise DatabaseUnusable(
            "its pages have checksums, which this build of apsw can't keep; install apsw from its wheel"
        )


def is_database(path: Path) -> bool:
    """Returns True if the file is readable and begins as a database of SQLite does."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def is_mismatch(error: BaseException) -> bool:
    """Returns True if the error says that a page has a wrong checksum."""
    return getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_DATA
