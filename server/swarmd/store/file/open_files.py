"""The files of the open database: their names must lead to them as long as the server runs.

A file that was removed or replaced takes writes as before, but no later start finds them; one that was cut short has
lost what was in it. Invariant: no write is acknowledged after that.
"""

import os
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Final

# The name of the format, the page size and the versions.
_FIXED_BYTES: Final = 24
# A device, an inode and a size.
_Identity = tuple[int, int, int]
# The path can't be looked at, which says nothing about the file.
_UNKNOWN: Final = (0, 0, 0)


class DatabaseRemoved(Exception):
    """A file of the open database was removed, moved, replaced or cut short; the message names it."""


class Header:
    """The first bytes of an open database, which no write of SQLite changes.

    The file stays open until the connections are closed: an earlier close would release SQLite's locks on it.
    """

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._fd: int | None = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._bytes = os.pread(self._fd, _FIXED_BYTES, 0)

    def check(self) -> None:
        """Raises DatabaseRemoved if another program has written the bytes."""
        if self._fd is None:
            return
        try:
            found = os.pread(self._fd, _FIXED_BYTES, 0)
        except OSError:  # a fault of the disk, which says nothing about the file
            return
        if found != self._bytes:
            raise DatabaseRemoved(f"{self._name} was overwritten while swarmd had it open")

    def close(self) -> None:
        """Closes the file; later checks find nothing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


class OpenFiles:
    """The paths of open files, with the identity that each file had at the start, and the size that it had since.

    Performance: a check costs about a microsecond for each path.
    """

    def __init__(self, header: Header, growing: Iterable[Path], others: Iterable[Path] = ()) -> None:
        """Records the files; a path without a file is left out. Those that grow must not become smaller."""
        self._header = header
        names = [str(path) for path in growing]
        self._growing = frozenset(names)
        names += [str(path) for path in others]
        found = {name: _identity(name) for name in names}
        self._identities = {path: identity for path, identity in found.items() if identity is not None}

    def check(self) -> None:
        """Compares each path with its file; raises DatabaseRemoved for the first that leads elsewhere."""
        for path, known in self._identities.items():
            found = _identity(path)
            if found in (known, _UNKNOWN):
                continue
            fate = "is gone" if found is None else self._fate(path, known, found)
            if found is None or fate:
                raise DatabaseRemoved(f"{PurePath(path).name} {fate} while swarmd had it open")
            self._identities[path] = found
        self._header.check()

    def _fate(self, path: str, known: _Identity, found: _Identity) -> str:
        """Returns what happened to the file; nothing if it has only grown."""
        if found[:2] != known[:2]:
            return "was replaced"
        return "was cut short" if path in self._growing and found[2] < known[2] else ""


def _identity(path: str) -> _Identity | None:
    try:
        stat = os.stat(path)  # noqa: PTH116  # twice as fast as pathlib
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return _UNKNOWN
    return stat.st_dev, stat.st_ino, stat.st_size
