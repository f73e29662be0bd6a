"""Keeps the paths that a session names inside its work folder.

The rule: a path is resolved first, links and all, and judged by where it really leads. This keeps
honest sessions honest; it is no sandbox, since `bash` may do all that its user may.
"""

import os
import stat
from pathlib import Path


class Escape(ValueError):
    """The path leads out of the work folder."""


def inside(root: Path, path: str) -> Path:
    """The real place of a path; raises Escape if that is not in `root`, which is resolved already."""
    if not path or "\0" in path:
        raise Escape(f"{path!r} is no path")
    try:
        place = (root / path).resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        raise Escape(f"{path!r} can't be resolved: {error}") from error
    if not place.is_relative_to(root):
        raise Escape(f"{path!r} leads out of the work folder")
    return place


def open_inside(place: Path, flags: int) -> int:
    """Opens what `inside` returned; refuses a link put there since, and all that is no plain file.

    Never waits: a FIFO is refused instead of read.
    """
    descriptor = os.open(place, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise Escape(f"{place.name!r} is no plain file")
