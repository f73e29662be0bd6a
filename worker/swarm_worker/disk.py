"""Files that outlast a loss of power. Its one rule: a file is there whole, as it was or as it is to be."""

import os
from pathlib import Path


def keep(path: Path, content: bytes) -> None:
    """Puts the content there for this user alone; durable when it returns. Blocks for the disk."""
    fresh = path.with_suffix(".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    fresh.rename(path)
    _sync_folder(path.parent)


def write_all(fd: int, content: bytes) -> None:
    """Writes all of it: the system may take a part at a time."""
    left = memoryview(content)
    while left:
        left = left[os.write(fd, left) :]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
