"""Paths that a session passes to its tools, confined to the work folder.

Invariant: a path is resolved with its links before it is judged. This catches mistakes and is not a sandbox: `bash`
may do everything that its user may.
"""

import os
import stat
from pathlib import Path


class PathEscape(ValueError):
    """An error for a path that leads out of the work folder."""


def resolve_inside(root: Path, path: str) -> Path:
    """Returns the resolved path; `root` must be resolved already.

    Raises:
        PathEscape: the path is not inside `root`.
    """
    if not path or "\0" in path:
        raise PathEscape(f"{path!r} is not a path")
    try:
        place = (root / path).resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        raise PathEscape(f"{path!r} can't be resolved: {error}") from error
    if not place.is_relative_to(root):
        raise PathEscape(f"{path!r} leads out of the work folder")
    return place


def open_inside(place: Path, flags: int) -> int:
    """Opens a path from `resolve_inside` without blocking; rejects links created since, FIFOs and devices.

    Raises:
        PathEscape: the path is not a regular file.
    """
    descriptor = os.open(place, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise PathEscape(f"{place.name!r} is not a regular file")
