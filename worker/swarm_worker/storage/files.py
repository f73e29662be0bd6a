"""Durable files, private files and private folders.

Invariant: after a loss of power, a durable file holds the old content or the new content, whole.
"""

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from amplifier_swarm.light_imports import temporary_folder
from amplifier_swarm.state_paths import make_private_folder


def write_durably(path: Path, content: bytes) -> None:
    """Replaces a file, readable by this user alone; the content is durable on return. Blocks for the disk."""
    new = path.with_suffix(".new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    new.rename(path)
    _sync_folder(path.parent)  # else a loss of power may undo the rename


def write_all(fd: int, content: bytes) -> None:
    """Writes all of the content, in as many system calls as needed."""
    left = memoryview(content)
    while left:
        left = left[os.write(fd, left) :]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_trusted_folder(path: Path) -> None:
    """Makes a private folder, and refuses one whose content another user could have put there.

    Raises:
        PermissionError: Another user owns the folder or one above it, or everybody may write there.
    """
    make_private_folder(path)
    real = path.resolve()
    for folder in (real, *real.parents):
        found = folder.lstat()
        # In a sticky folder such as /tmp, others can't replace what is ours.
        open_to_all = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
        if found.st_uid not in (0, os.geteuid()) or open_to_all:
            raise PermissionError(errno.EPERM, "another user could change it", str(folder))


def machine_folder(own: Mapping[str, str]) -> Path:
    """Returns the folder that all workers of this user share on this machine: locks and results of probes."""
    cache = own.get("XDG_CACHE_HOME", "")
    home = own.get("HOME", "")
    base = Path(cache) if cache else Path(home, ".cache") if home else temporary_folder() / str(os.getuid())
    return base / "amplifier-swarm"


def write_private(path: Path, text: str) -> None:
    """Writes a file that only this user may read."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(fd, text.encode(errors="replace"))
    finally:
        os.close(fd)
