"""A VFS for SQLite that records every operation, or fails at chosen ones.

Invariant: an operation that does not fail reaches the real files, so the writing process notices nothing.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath
from typing import NamedTuple

import apsw

from swarmd.store.file import checksums

_NUMBERS = itertools.count(1)


class Kind(StrEnum):
    """The operations of a disk."""

    WRITE = "write"
    TRUNCATE = "truncate"
    SYNC = "sync"
    DELETE = "delete"
    DELETE_FOR_GOOD = "delete for good"


class Op(NamedTuple):
    """An operation; `number` is an offset or a size."""

    kind: Kind
    file: str
    number: int = 0
    data: bytes = b""


@dataclass
class Disk:
    """The operations so far; `before` may raise the error of a failing disk."""

    ops: list[Op] = field(default_factory=list)
    before: Callable[[Op], None] = lambda _op: None

    def ask(self, op: Op, do: Callable[[], None]) -> None:
        """Runs the operation, unless the disk fails."""
        self.before(op)
        do()
        self.ops.append(op)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        self._name = _short(name)
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # SQLite's name
        write = super().xWrite
        self._disk.ask(Op(Kind.WRITE, self._name, offset, bytes(data)), lambda: write(data, offset))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        truncate = super().xTruncate
        self._disk.ask(Op(Kind.TRUNCATE, self._name, newsize), lambda: truncate(newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802
        sync = super().xSync
        self._disk.ask(Op(Kind.SYNC, self._name), lambda: sync(flags))


class _Vfs(apsw.VFS):
    def __init__(self, name: str, disk: Disk, *, default: bool = False) -> None:
        self.disk = disk
        super().__init__(name, "unix", default)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _File(self.disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001, N802
        delete = super().xDelete
        kind = Kind.DELETE_FOR_GOOD if syncdir else Kind.DELETE
        self.disk.ask(Op(kind, _short(filename)), lambda: delete(filename, syncdir))


_UNDER: list[_Vfs] = []


def lay_under_checksums() -> None:
    """Puts every later disk beneath swarmd's checksum layer; call it before the process loads that layer."""
    _UNDER.append(_Vfs("under", Disk(), default=True))
    assert checksums.layer() is not None


@contextmanager
def mounted(disk: Disk) -> Iterator[str | None]:
    """Yields the name of the disk's VFS, None if the disk lies beneath swarmd's own VFS."""
    if _UNDER:
        _UNDER[0].disk = disk
        yield None
        return
    name = f"disk{next(_NUMBERS)}"
    vfs = _Vfs(name, disk)
    try:
        yield name
    finally:
        vfs.unregister()


def _short(name: str | apsw.URIFilename | None) -> str:
    full = name.filename() if isinstance(name, apsw.URIFilename) else name
    return PurePath(full or "temporary").name
