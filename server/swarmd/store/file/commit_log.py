"""Records of commits: the pages that they changed, as a standby appends them to its log, and their replay.

Invariant: a record is replayed whole or not at all, and a replay that was cut off can be repeated.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import apsw

from swarmd.store.file import checksums
from swarmd.store.file.errors import DatabaseUnusable

_MAGIC: Final = b"SWCR"
# First and last position, pages of the database, pages of the record, bytes of a page.
_FIELDS: Final = struct.Struct(">QQIII")
_CHECKSUM: Final = struct.Struct(">I")
_NUMBER: Final = struct.Struct(">I")
_HEAD_BYTES: Final = len(_MAGIC) + _FIELDS.size + _CHECKSUM.size


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """The pages that the commits `first` to `last` changed, each as it is after `last`."""

    first: int
    last: int
    # The pages of the whole database after it.
    database_pages: int
    page_bytes: int
    pages: Mapping[int, bytes]

    def encode(self) -> bytes:
        """Returns the bytes of the record, with their checksum."""
        fields = _FIELDS.pack(self.first, self.last, self.database_pages, len(self.pages), self.page_bytes)
        body = b"".join(part for number in self.pages for part in (_NUMBER.pack(number), self.pages[number]))
        return _MAGIC + fields + _CHECKSUM.pack(zlib.crc32(body, zlib.crc32(fields))) + body


def replay(log: Path, base: Path, *, after: int) -> int:
    """Writes the pages of all whole records into the base, whose position is `after`; returns the last position.

    An incomplete record at the end is what a loss of power leaves, and is left out.

    Raises:
        DatabaseUnusable: A record is missing or damaged.
    """
    position, pages, page_bytes = after, 0, 0
    flags = [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READWRITE, 0]
    file = apsw.VFSFile(checksums.layer() or "", str(base), flags)
    try:
        for record in _records(log):
            if record.first != position + 1:
                raise DatabaseUnusable(f"{log.name} lacks what follows commit {position:,}")
            if not page_bytes:
                # From the first page the layer learns whether pages have sums.
                file.xWrite(bytearray(file.xRead(record.page_bytes, 0)), 0)
            for number, page in record.pages.items():
                # The layer writes the sum into the buffer that it gets.
                file.xWrite(bytearray(page), (number - 1) * record.page_bytes)
            position, pages, page_bytes = record.last, record.database_pages, record.page_bytes
    finally:
        file.xClose()
    if pages:
        os.truncate(base, pages * page_bytes)
    return position


def _records(log: Path) -> Iterator[CommitRecord]:
    with log.open("rb") as file:
        while (start := file.tell()) < os.fstat(file.fileno()).st_size:
            record = _read(file)
            if record is None:
                _refuse_more(file, start, log.name)
                return
            yield record


def _read(file: BinaryIO) -> CommitRecord | None:
    """Reads the next record; returns None if it is not whole."""
    head = file.read(_HEAD_BYTES)
    if len(head) < _HEAD_BYTES or not head.startswith(_MAGIC):
        return None
    fields = head[len(_MAGIC) : -_CHECKSUM.size]
    first, last, database_pages, count, page_bytes = _FIELDS.unpack(fields)
    step = _NUMBER.size + page_bytes
    left = os.fstat(file.fileno()).st_size - file.tell()
    # A damaged head must not ask for more memory than the file has.
    body = file.read(count * step) if count * step <= left else b""
    if len(body) < count * step or head[-_CHECKSUM.size :] != _CHECKSUM.pack(
        zlib.crc32(body, zlib.crc32(fields))
    ):
        return None
    pages = {
        _NUMBER.unpack_from(body, place)[0]: body[place + _NUMBER.size : place + step]
        for place in range(0, len(body), step)
    }
    return CommitRecord(first, last, database_pages, page_bytes, pages)


def _refuse_more(file: BinaryIO, start: int, name: str) -> None:
    """Raises DatabaseUnusable if a whole record lies behind the one at `start`, which so is damaged."""
    file.seek(start + 1)
    rest = file.read()
    place = rest.find(_MAGIC)
    while place >= 0:
        file.seek(start + 1 + place)
        if _read(file) is not None:
            raise DatabaseUnusable(f"{name} is damaged at byte {start:,}")
        place = rest.find(_MAGIC, place + 1)
