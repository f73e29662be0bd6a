"""The files of the open database: their names must lead to them as long as the server runs.

A file that was removed or replaced takes writes as before, but no later start finds them. Invariant: no write is
acknowledged after that.
"""

import os
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Final

_Identity = tuple[int, int]
# The path can't be looked at, which says nothing about the file.
_UNKNOWN: Final = (0, 0)


class DatabaseRemoved(Exception):
    """A file of the open database was removed, moved or replaced; the message names it."""


class OpenFiles:
    """The paths of open files, with the identity that each file had at the start.

    Performance: a check costs about a microsecond for each path.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        """Records the files; a path without a file is left out."""
        found = {str(path): _identity(str(path)) for path in paths}
        self._identities = {path: identity for path, identity in found.items() if identity is not None}

    def check(self) -> None:
        """Compares each path with its file; raises DatabaseRemoved for the first that leads elsewhere."""
        for path, identity in self._identities.items():
            found = _identity(path)
            if found not in (identity, _UNKNOWN):
                fate = "is gone" if found is None else "was replaced"
                raise DatabaseRemoved(f"{PurePath(path).name} {fate} while swarmd had it open")


def _identity(path: str) -> _Identity | None:
    try:
        stat = os.stat(path)  # noqa: PTH116  # twice as fast as pathlib
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return _UNKNOWN
    return stat.st_dev, stat.st_ino
