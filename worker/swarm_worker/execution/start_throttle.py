"""A throttle for session starts: one start a core at a time, over all workers of the machine.

An agent needs seconds of a core to boot.

Invariant: a permit expires after a time even if the session shows no activity, so no start waits forever.
"""

import asyncio
import contextlib
import fcntl
import os
from pathlib import Path
from typing import Final

from swarm_worker.storage.files import make_trusted_folder
from swarm_worker.supervision.stop_signal import Stop

POLL_S: Final = 0.1


class StartPermit:
    """The right to boot one session, which `release` gives back; a second call has no effect."""

    def __init__(self, fd: int = -1) -> None:
        self._fd = fd

    def release(self) -> None:
        """Gives the permit back: the session works, has ended, or its boot time is over."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class StartThrottle:
    """A semaphore across processes with a permit for each core.

    Each permit is a locked file, so the kernel releases the permits of a worker that dies.
    """

    def __init__(self, folder: Path, *, cores: int | None = None) -> None:
        self._lock_files = [folder / f"{number}.lock" for number in range(cores or os.cpu_count() or 1)]
        self._folder = folder

    async def acquire(self, boot_s: float, stop: Stop) -> StartPermit:
        """Returns a permit that expires after `boot_s` seconds; 0 needs no permit.

        An order to stop ends the wait at once. If no file can be locked, the throttle has no effect.
        """
        if boot_s == 0:
            return StartPermit()
        try:
            make_trusted_folder(self._folder)
            while (fd := self._lock_free_file()) is None and not stop.ordered.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await stop.ordered.wait()
        except OSError:
            return StartPermit()
        if fd is None:
            return StartPermit()
        permit = StartPermit(fd)
        asyncio.get_running_loop().call_later(boot_s, permit.release)
        return permit

    def _lock_free_file(self) -> int | None:
        for lock_file in self._lock_files:
            fd = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
            except OSError:
                os.close(fd)
                raise
            else:
                return fd
        return None
