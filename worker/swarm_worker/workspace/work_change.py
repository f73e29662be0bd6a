"""The difference between two commits of a clone, in bounded size."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from swarm_worker.workspace.clone import Clone
from swarm_worker.workspace.snapshot import shown

MAX_FILES: Final = 2_000
PATCH_BYTES: Final = 1024 * 1024
_RENAMED: Final = frozenset("RC")
_COUNTS: Final = re.compile(rb"(-|\d+)\t(-|\d+)\t(.*)", re.DOTALL)


class FileDifference(NamedTuple):
    """A changed file, a renamed one under its new path; `status` as in `git diff --name-status`.

    `added` and `removed` count lines, None for binary files.
    """

    path: str
    status: str
    added: int | None = None
    removed: int | None = None


class WorkChange(NamedTuple):
    """The difference from base to head: at most MAX_FILES files, and a patch that is empty above PATCH_BYTES."""

    base: str
    head: str
    files: tuple[FileDifference, ...]
    file_count: int
    patch: str


async def read_change(clone: Clone, base: str, head: str) -> WorkChange:
    """Reads what the commits between base and head change. Raises GitFailure."""
    if base == head:
        return WorkChange(base, head, (), 0, "")
    safe = ("--no-ext-diff", "--no-textconv", "--find-renames", "-r")
    raw = (await clone.git.run("diff-tree", *safe, "-z", "--raw", "--numstat", base, head)).stdout
    files = sorted(_parse(raw.split(b"\0")[:-1]))
    # A file and not a pipe: its size is known before a byte of it is in memory.
    path = clone.control / "patch"
    await clone.git.run("diff-tree", *safe, "--patch", f"--output={path}", base, head)
    patch = await asyncio.to_thread(_read_patch, path)
    return WorkChange(base, head, tuple(files[:MAX_FILES]), len(files), patch)


def _parse(fields: list[bytes]) -> Iterator[FileDifference]:
    """Parses the entries of --raw, and after them those of --numstat."""
    words = iter(fields)
    statuses: dict[bytes, str] = {}
    for word in words:
        if word.startswith(b":"):
            status = chr(word.split(b" ")[4][0])
            path = next(words)
            statuses[next(words) if status in _RENAMED else path] = status
        elif counts := _COUNTS.fullmatch(word):
            # The paths of a rename follow in fields of their own.
            path = counts[3] or (next(words), next(words))[1]
            yield FileDifference(shown(path), statuses[path], _count(counts[1]), _count(counts[2]))


def _count(field: bytes) -> int | None:
    return int(field) if field.isdigit() else None


def _read_patch(path: Path) -> str:
    try:
        large = path.stat().st_size > PATCH_BYTES
        return "" if large else shown(path.read_bytes())
    finally:
        path.unlink()
