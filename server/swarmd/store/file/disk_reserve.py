"""Disk space that is kept for kills and emergency stops when the disk is full."""

import contextlib
import os
from pathlib import Path
from typing import Final

# An emergency stop of 1,000 running tasks writes about 2 MiB.
RESERVE_BYTES: Final = 4 * 1024 * 1024
_LEAST_BYTES: Final = 64 * 1024


class DiskReserve:
    """A file of allocated blocks. Best effort: without it, only the reserve is missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.refill()

    def release(self) -> bool:
        """Frees the space for the next write; returns False if there is none."""
        with contextlib.suppress(OSError):
            if self._path.stat().st_size:
                os.truncate(self._path, 0)
                return True
        return False

    def refill(self) -> None:
        """Allocates the space again, or as much of it as the disk still has."""
        with contextlib.suppress(OSError):
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._allocate(fd)
            finally:
                os.close(fd)

    def _allocate(self, fd: int) -> None:
        size = RESERVE_BYTES
        while os.fstat(fd).st_size < size >= _LEAST_BYTES:
            try:
                os.posix_fallocate(fd, 0, size)
            except OSError:
                # A partial allocation is given back.
                os.ftruncate(fd, 0)
                size //= 2
