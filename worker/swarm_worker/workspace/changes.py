"""Sees what an attempt really changed: the files that its task declares, and all that git can tell.

Its one rule: it looks, and never fails. What it can't find out in a short time it leaves out.
"""

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Final

from swarm_worker.workspace.git import Git, TreeChanges, WorkTree

GIT_TIMEOUT_S: Final = 15.0
# What is larger is known by size and time alone.
HASHED_BYTES: Final = 1024 * 1024
FILES: Final = 500
# Of a declared folder, so many entries are looked at.
ENTRIES: Final = 2_000


class FileChangeKind(StrEnum):
    """What became of a declared file."""

    CREATED = "created"
    CHANGED = "changed"
    UNTOUCHED = "untouched"
    REMOVED = "removed"
    MISSING = "missing"  # it was not there before, and is not there now


@dataclass(frozen=True, slots=True)
class FileState:
    """What of a file would differ if it had been changed; no digest where it was too large to read."""

    size: int
    mtime_ns: int
    digest: str = ""


@dataclass(frozen=True, slots=True)
class FileChange:
    """What became of one declared file; `size` is what it has now."""

    path: str
    kind: FileChangeKind
    size: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How a project stood before a builder; `tree` is None where git can't tell."""

    project_root: Path
    files: tuple[str, ...]
    states: tuple[FileState | None, ...]
    tree: WorkTree | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed since a snapshot; `tree` is None where git can't tell."""

    files: tuple[FileChange, ...] = ()
    tree: TreeChanges | None = None


async def snapshot(project_root: Path, files: Sequence[str]) -> Snapshot:
    """Takes down how the project stands."""
    kept = tuple(files[:FILES])
    states, tree = await asyncio.gather(_states(project_root, kept), _git(project_root).tree())
    return Snapshot(project_root, kept, states, tree)


async def changes(before: Snapshot) -> Changes:
    """What has changed since."""
    states = await _states(before.project_root, before.files)
    compared = map(_compared, before.files, before.states, states)
    tree = None if before.tree is None else await _git(before.project_root).changes(before.tree)
    return Changes(tuple(compared), tree)


def _git(project_root: Path) -> Git:
    return Git(project_root, asyncio.get_running_loop().time() + GIT_TIMEOUT_S)


async def _states(root: Path, files: Sequence[str]) -> tuple[FileState | None, ...]:
    return await asyncio.to_thread(_look, root, files) if files else ()


def _look(root: Path, files: Sequence[str]) -> tuple[FileState | None, ...]:
    return tuple(_state(root / file) for file in files)


def _state(path: Path) -> FileState | None:
    """None if nothing is there, or nothing that may be looked at."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            return _folder(path)
        readable = stat.S_ISREG(found.st_mode) and found.st_size <= HASHED_BYTES
        return FileState(found.st_size, found.st_mtime_ns, _digest(path) if readable else "")
    except (OSError, ValueError):
        return None


def _digest(path: Path) -> str:
    # It may have become a pipe since, whose opening would wait for a writer.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as file:
        return hashlib.sha256(file.read(HASHED_BYTES)).hexdigest()


def _folder(path: Path) -> FileState:
    """A folder is what is in it: names, sizes and times."""
    seen, size = hashlib.sha256(), 0
    for file in islice(_files_in(path), ENTRIES):
        found = file.lstat()
        size += found.st_size
        seen.update(os.fsencode(file) + f"\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
    return FileState(size, path.stat().st_mtime_ns, seen.hexdigest())


def _files_in(path: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(path):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(files))


def _compared(path: str, before: FileState | None, now: FileState | None) -> FileChange:
    if now is None:
        return FileChange(path, FileChangeKind.MISSING if before is None else FileChangeKind.REMOVED)
    if before is None:
        return FileChange(path, FileChangeKind.CREATED, now.size)
    return FileChange(
        path, FileChangeKind.UNTOUCHED if _same(before, now) else FileChangeKind.CHANGED, now.size
    )


def _same(before: FileState, now: FileState) -> bool:
    """A file that was written anew with what it had is the same."""
    if before.digest and now.digest:
        return before.digest == now.digest
    return (before.size, before.mtime_ns) == (now.size, now.mtime_ns)
