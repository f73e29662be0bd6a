"""The files of a workspace that match a task's artifact patterns.

Invariant: no link is followed, and only regular files inside the workspace are opened, whatever other processes do
meanwhile: each folder is opened relative to the one above it.
"""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A FIFO without a writer must not hold the open.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ANY_DEPTH: Final = "**"
# Private to git, and to the swarm.
_PRIVATE: Final = frozenset({".git", ".swarm"})
MAX_FILES: Final = 1_000
MAX_ENTRIES: Final = 100_000
MAX_DEPTH: Final = 64

_Parts = tuple[str, ...]


class NotAFile(Exception):
    """The path is not that of a regular file; the message says what it is."""


class _TooMuch(Exception):
    """The search has seen as many entries as it may."""


@dataclass(slots=True)
class FoundArtifacts:
    """The matching paths, in order, and remarks on what is left out."""

    paths: list[_Parts] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def find_artifacts(root: Path, patterns: Sequence[str]) -> FoundArtifacts:
    """Finds the files that match: `*` and `?` stand for characters of a name, `**` for any number of folders.

    Raises:
        OSError: the workspace can't be read.
    """
    result = FoundArtifacts()
    search, found = _FileSearch(), set[_Parts]()
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for pattern in patterns:
            count = len(found)
            found.update(search.matches(top, (), PurePosixPath(pattern).parts))
            if len(found) == count:
                result.remarks.append(f"no file matches {pattern}")
    except _TooMuch:
        result.remarks.append(
            f"the search ended after {MAX_ENTRIES:,} files and folders; write narrower patterns"
        )
    finally:
        os.close(top)
    result.paths = sorted(found)[:MAX_FILES]
    if len(found) > MAX_FILES:
        result.remarks.append(f"{len(found):,} files match; the first {MAX_FILES:,} are taken")
    return result


@contextmanager
def open_artifact(root: Path, path: _Parts) -> Iterator[BinaryIO]:
    """Opens a file of the workspace for reading.

    Raises:
        NotAFile: it is a link, a folder or a device. OSError: it can't be read.
    """
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in path[:-1]:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        if not stat.S_ISREG(os.stat(path[-1], dir_fd=folder, follow_symlinks=False).st_mode):
            raise NotAFile("it is a link, a folder or a device")
        opened = os.open(path[-1], _FILE, dir_fd=folder)
    finally:
        os.close(folder)
    with os.fdopen(opened, "rb") as file:
        # The name may have been given to something else since the look at it.
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise NotAFile("it is not a regular file")
        yield file


def artifact_name(path: _Parts) -> str:
    """Returns the path as UTF-8 text: a byte that is not UTF-8 becomes a backslash, `x` and two digits."""
    return os.fsencode("/".join(path)).decode("utf-8", "backslashreplace")


class _FileSearch:
    """A search below one folder; it ends with _TooMuch after MAX_ENTRIES entries."""

    def __init__(self) -> None:
        self._seen = 0

    def matches(self, folder: int, above: _Parts, pattern: Sequence[str]) -> Iterator[_Parts]:
        """Yields the files below the open folder that match; folders and links at the end of a path do not."""
        if not pattern or len(above) >= MAX_DEPTH:
            return
        head, rest = pattern[0], pattern[1:]
        if head == _ANY_DEPTH:
            yield from self.matches(folder, above, rest or ("*",))
            for name in self._names(folder, "*", folders=True):
                yield from self._below(folder, above, name, pattern)
        elif rest:
            for name in self._names(folder, head, folders=True):
                yield from self._below(folder, above, name, rest)
        else:
            for name in self._names(folder, head, folders=False):
                yield (*above, name)

    def _below(self, folder: int, above: _Parts, name: str, pattern: Sequence[str]) -> Iterator[_Parts]:
        try:
            inner = os.open(name, _FOLDER, dir_fd=folder)
        except OSError:  # it is gone, a link by now, or not readable: then it holds no artifact
            return
        try:
            yield from self.matches(inner, (*above, name), pattern)
        finally:
            os.close(inner)

    def _names(self, folder: int, pattern: str, *, folders: bool) -> list[str]:
        """Returns the matching names of folders, or of everything else but links."""
        expression = re.compile(
            "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern), re.DOTALL
        )
        names = []
        with os.scandir(folder) as entries:
            for entry in entries:
                self._seen += 1
                if self._seen > MAX_ENTRIES:
                    raise _TooMuch
                if entry.name.lower() in _PRIVATE or not expression.fullmatch(entry.name):
                    continue
                wanted = (
                    entry.is_dir(follow_symlinks=False) if folders else entry.is_file(follow_symlinks=False)
                )
                if wanted:
                    names.append(entry.name)
        return names
