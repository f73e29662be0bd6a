"""Locks that guards hold until nothing of their session is left. This module owns the lock files.

Invariant: a lock belongs to an open file. The worker takes it and passes the descriptor on; the guard's close frees it.
"""

import asyncio
import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarm_worker.storage.state_dir import StateFolder

_log = structlog.get_logger()

# A guard of a killed worker needs its grace period and a moment.
GUARDS_END_S: Final = 60.0
LOCK_POLL_S: Final = 0.05


class GuardLock:
    """The lock of one session, as a context: the file is removed at the end, unless a guard still holds the lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        remove_if_free(self._path)

    def acquire(self) -> int:
        """Opens and locks the file; returns the descriptor, which the guard gets.

        Raises:
            OSError: a guard holds the lock (BlockingIOError), or the file can't be made.
        """
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise
        return self._fd

    def close(self) -> None:
        """Closes the worker's own descriptor; a guard that has the lock keeps it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    async def wait_free(self) -> None:
        """Waits until no guard holds the lock."""
        while not remove_if_free(self._path):  # noqa: ASYNC110  # a lock notifies nobody
            await asyncio.sleep(LOCK_POLL_S)


def wait_for_guards(folder: StateFolder, *, timeout_s: float) -> None:
    """Waits until the last guard of a former process of the worker has ended.

    Raises:
        ProgramExit: a guard does not end in time.
    """
    deadline = time.monotonic() + timeout_s
    waiting = False
    while held := [path for path in _lock_files(folder) if not remove_if_free(path)]:
        if not waiting:
            _log.info("waiting for the sessions of the former process to end", sessions=len(held))
            waiting = True
        if time.monotonic() > deadline:
            raise ProgramExit(
                ExitCode.CONFLICT,
                f"the session {held[0].stem} of the former process of {folder.name!r} does not end",
                hint="give another --name, or end it",
            )
        time.sleep(LOCK_POLL_S)


def remove_if_free(path: Path) -> bool:
    """Removes a lock file that no guard holds; returns False if a guard holds the lock."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    path.unlink()
    return True


def _lock_files(folder: StateFolder) -> list[Path]:
    return sorted((folder.path / "guards").glob("*.lock"))
