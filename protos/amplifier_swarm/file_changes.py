"""Changes of files that a program has read: certificates, keys and tokens are replaced while it runs.

Kubernetes swaps a symbolic link, others rename a file over the old one or write into it. All of them are seen, since
links are followed, and a file is known by its inode, size and times.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

_Mark: TypeAlias = "tuple[int, int, int, int] | None"


class FileChanges:
    """The files as they were at the last `poll`, or at first."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = tuple(paths)
        self._marks = self._read_marks()

    def poll(self) -> bool:
        """Returns whether a file has changed since the last call.

        Read the files after this call: what changes meanwhile is then found by the next call.
        """
        marks = self._read_marks()
        changed, self._marks = marks != self._marks, marks
        return changed

    def _read_marks(self) -> tuple[_Mark, ...]:
        return tuple(map(_mark, self.paths))


def _mark(path: Path) -> _Mark:
    try:
        found = os.stat(path)  # noqa: PTH116  # each call of a worker does this
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
