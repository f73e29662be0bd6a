"""The real changes of an attempt: the files that its task declares, and everything that git reports.

Invariant: nothing here fails an attempt. What can't be read in a short time is left out.
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

from swarm_worker.workspace.git import Git, GuardedProgram, NoTree, TreeChanges, WorkTree

GIT_TIMEOUT_S: Final = 15.0
# Larger files are compared by size and time alone.
HASHED_BYTES: Final = 1024 * 1024
MAX_FILES: Final = 500
# The entries of a declared folder that are compared.
MAX_ENTRIES: Final = 2_000


class FileChangeKind(StrEnum):
    """The change of a declared file."""

    CREATED = "created"
    CHANGED = "changed"
    UNTOUCHED = "untouched"
    REMOVED = "removed"
    MISSING = "missing"  # absent before and absent now


_UNCHANGED: Final = (FileChangeKind.UNTOUCHED, FileChangeKind.MISSING)


@dataclass(frozen=True, slots=True)
class FileState:
    """The properties of a file that a change alters; the digest is empty if the file is too large to read."""

    size: int
    mtime_ns: int
    digest: str = ""


@dataclass(frozen=True, slots=True)
class FileChange:
    """The change of one declared file; `size` is its size in bytes now."""

    path: str
    kind: FileChangeKind
    size: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a project before a builder."""

    project_root: Path
    files: tuple[str, ...]
    states: tuple[FileState | None, ...]
    tree: WorkTree | NoTree


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes since a snapshot; `tree` is None if git can't read them, for the reason `no_tree`.

    Without a repository, which is usual, the reason is empty.
    """

    files: tuple[FileChange, ...] = ()
    tree: TreeChanges | None = None
    no_tree: str = ""


async def take_snapshot(project_root: Path, files: Sequence[str], run: GuardedProgram) -> Snapshot:
    """Records the state of the project; `run` starts git."""
    kept = tuple(files[:MAX_FILES])
    git = Git(project_root, run, GIT_TIMEOUT_S)
    states, tree = await asyncio.gather(read_states(project_root, kept), git.work_tree())
    return Snapshot(project_root, kept, states, tree)


def snapshot_of(project_root: Path, commit: str) -> Snapshot:
    """Returns the state of the project at that commit; if it is empty, one since which no change is known."""
    return Snapshot(project_root, (), (), WorkTree(commit, {}) if commit else NoTree("", silent=True))


async def changes_since(before: Snapshot, run: GuardedProgram) -> Changes:
    """Returns the changes since the snapshot; `run` starts git."""
    states = await read_states(before.project_root, before.files)
    compared = tuple(map(_compare, before.files, before.states, states))
    if isinstance(before.tree, NoTree):
        return Changes(compared, no_tree="" if before.tree.silent else before.tree.reason)
    tree = await Git(before.project_root, run, GIT_TIMEOUT_S).changes_since(before.tree)
    if isinstance(tree, NoTree):
        return Changes(compared, no_tree=tree.reason)
    return Changes(compared, tree)


def same_content(before: FileState | None, now: FileState | None) -> bool:
    """Returns whether a file has the same content, or is absent both times."""
    if before is None or now is None:
        return before is now
    return _same(before, now)


async def read_states(root: Path, files: Sequence[str]) -> tuple[FileState | None, ...]:
    """Returns the state of each file; None for one that is absent or can't be read."""
    return await asyncio.to_thread(_read_states, root, files) if files else ()


def _read_states(root: Path, files: Sequence[str]) -> tuple[FileState | None, ...]:
    return tuple(_state(root / file) for file in files)


def _state(path: Path) -> FileState | None:
    """Returns None if the file is absent or can't be read."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            return _folder(path)
        readable = stat.S_ISREG(found.st_mode) and found.st_size <= HASHED_BYTES
        return FileState(found.st_size, found.st_mtime_ns, _digest(path) if readable else "")
    except (OSError, ValueError):
        return None


def _digest(path: Path) -> str:
    # The file may have been replaced by a FIFO; without O_NONBLOCK, open would wait for a writer.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(fd, "rb", buffering=0) as file:
        # None if there is nothing to read at the moment, as in /proc/kmsg.
        content = file.read(HASHED_BYTES)
    return "" if content is None else hashlib.sha256(content).hexdigest()


def _folder(path: Path) -> FileState:
    """Returns the state of a folder: the names, sizes and times of its files."""
    seen, size = hashlib.sha256(), 0
    for file in islice(_files_in(path), MAX_ENTRIES):
        found = file.lstat()
        size += found.st_size
        seen.update(os.fsencode(file) + f"\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
    return FileState(size, path.stat().st_mtime_ns, seen.hexdigest())


def _files_in(path: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(path):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(files))


def _compare(path: str, before: FileState | None, now: FileState | None) -> FileChange:
    if now is None:
        return FileChange(path, FileChangeKind.MISSING if before is None else FileChangeKind.REMOVED)
    if before is None:
        return FileChange(path, FileChangeKind.CREATED, now.size)
    return FileChange(
        path, FileChangeKind.UNTOUCHED if _same(before, now) else FileChangeKind.CHANGED, now.size
    )


def _same(before: FileState, now: FileState) -> bool:
    """Compares by digest, so that a file rewritten with the same content is unchanged."""
    if before.digest and now.digest:
        return before.digest == now.digest
    return (before.size, before.mtime_ns) == (now.size, now.mtime_ns)
