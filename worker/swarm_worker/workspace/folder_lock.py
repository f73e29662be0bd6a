"""The lock of a git folder that the workers of one machine share."""

import asyncio
import fcntl
import os
import time
from pathlib import Path
from typing import Final, Self

from swarm_worker.workspace.git_runner import NETWORK_TIMEOUT_S, GitFailure

# Longer than a worker holds the lock: for two commands that reach the remote.
WAIT_S: Final = 3 * NETWORK_TIMEOUT_S
POLL_S: Final = 0.05


class FolderLock:
    """A lock between the slots of one worker, and between the workers that share `path`, a file that stays.

    The end of a process frees it.
    """

    def __init__(self, path: Path, *, wait_s: float = WAIT_S) -> None:
        self._path = path
        self._wait_s = wait_s
        self._own = asyncio.Lock()
        self._fd = -1

    async def __aenter__(self) -> Self:
        """Waits for the lock. Raises GitFailure if another worker has it for too long."""
        await self._own.acquire()
        try:
            self._fd = await self._opened()
        except BaseException:
            self._own.release()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        os.close(self._fd)
        self._own.release()

    async def _opened(self) -> int:
        end_s = time.monotonic() + self._wait_s
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise GitFailure(f"can't open {self._path}: {error.strerror}") from error
        try:
            while not _is_free(fd):
                if time.monotonic() > end_s:
                    raise GitFailure(
                        f"another worker has held {self._path} for {self._wait_s:g} s; end that worker"
                    )
                await asyncio.sleep(POLL_S)
        except BaseException:
            os.close(fd)
            raise
        return fd


def _is_free(fd: int) -> bool:
    """Takes the lock of the file if nobody has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
