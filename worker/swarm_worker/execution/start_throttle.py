"""Staggers the starts of sessions: one start a core at a time, for all workers of the machine.

An engine takes seconds of a core to boot. Its one rule: a start that shows no sign of life keeps its turn
for a time only, so that nothing waits for ever.
"""

import asyncio
import contextlib
import fcntl
import os
from pathlib import Path
from typing import Final

from swarm_worker.storage.files import make_private_folder
from swarm_worker.supervision.stop_signal import Stop

LOOK_S: Final = 0.1


class StartPermit:
    """The right to boot; given back once, by whoever is first."""

    def __init__(self, fd: int = -1) -> None:
        self._fd = fd

    def over(self) -> None:
        """The session has begun to work, has ended, or has had its time."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class StartThrottle:
    """As many turns as there are cores, each a locked file: those of a dead worker are free at once."""

    def __init__(self, folder: Path, *, cores: int | None = None) -> None:
        self._places = [folder / f"{number}.lock" for number in range(cores or os.cpu_count() or 1)]
        self._folder = folder

    async def take(self, boot_s: float, stop: Stop) -> StartPermit:
        """Waits for a turn, or for an order to end; where no file can be locked, nobody waits."""
        if boot_s == 0:
            return StartPermit()
        try:
            make_private_folder(self._folder)
            while (fd := self._free()) is None and not stop.ordered.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await stop.ordered.wait()
        except OSError:
            return StartPermit()
        if fd is None:
            return StartPermit()
        turn = StartPermit(fd)
        asyncio.get_running_loop().call_later(boot_s, turn.over)
        return turn

    def _free(self) -> int | None:
        for place in self._places:
            fd = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
            else:
                return fd
        return None
