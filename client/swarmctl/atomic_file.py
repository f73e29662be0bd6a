"""Files that are written whole or not at all."""

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from amplifier_swarm.exits import ExitCode, ProgramExit


@contextmanager
def replacing(
    place: str,
    *,
    mode: int,
    keep_mode: bool = False,
    refuse: Callable[[Path, str], None] = lambda _goal, _place: None,
) -> Iterator[BinaryIO]:
    """Yields a file that replaces `place` when it is complete and on the disk; an error leaves no trace.

    With `keep_mode`, a file that exists keeps its permissions. `refuse` gets the path behind all links, and `place`;
    it raises an error for what must not be replaced.

    Raises:
        ProgramExit: `place` is not a regular file, or may not be written.
    """
    goal = _target(place)
    found = _checked(goal, place)
    refuse(goal, place)
    # A short name of its own: that of the file may be as long as a name can be.
    draft = goal.with_name(f".swarmctl-{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except OSError as error:
        # Nobody knows the name of the draft; what is wrong is its folder.
        raise OSError(error.errno, error.strerror, str(Path(place).parent)) from error
    try:
        with os.fdopen(descriptor, "wb") as out:
            if keep_mode and found is not None:
                os.fchmod(out.fileno(), stat.S_IMODE(found.st_mode))
            yield out
            out.flush()
            os.fsync(out.fileno())
        draft.replace(goal)
    except BaseException:  # after any error, a half-written draft is useless
        draft.unlink(missing_ok=True)
        raise
    sync_folder(goal.parent)


def _target(place: str) -> Path:
    # A link stays a link: its target is replaced.
    try:
        return Path(place).resolve()
    except RuntimeError as error:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), place) from error


def _checked(goal: Path, place: str) -> os.stat_result | None:
    """Returns the status of the file to be replaced; None if there is none."""
    try:
        found = goal.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise ProgramExit(ExitCode.USAGE, f"{place} is a directory", hint="pass the path of a file")
    if not stat.S_ISREG(found.st_mode):
        raise ProgramExit(
            ExitCode.USAGE,
            f"{place} is not a regular file, and would be replaced by one",
            hint="pass another path",
        )
    if not os.access(goal, os.W_OK):
        raise ProgramExit(
            ExitCode.USAGE, f"{place} is read-only", hint="change its permissions, or pass another path"
        )
    return found


def sync_folder(folder: Path) -> None:
    """Makes the names in the folder durable; raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
