"""Watches for what no server tells: a file that stops everything, and a machine that has slept.

Its one rule: it needs nothing but this machine, so that it works when nothing else does.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn, Protocol

from swarm_worker.guard.procfs import boot_s

FILE: Final = "EMERGENCY_STOP"
LOOK_S: Final = 1.0
# The two clocks are read one after the other.
SLEPT_S: Final = 0.5


class HostListener(Protocol):
    """What is told."""

    def stopped_by_file(self, file: Path) -> None:
        """The file has appeared."""

    def file_gone(self) -> None:
        """There is none any more."""

    def woken(self, slept_s: float) -> None:
        """The machine slept for that long."""


class HostWatch:
    """Looks each second, and whenever it is asked to."""

    def __init__(self, folders: Sequence[Path], listener: HostListener) -> None:
        self.stopped = False
        self._files = [folder / FILE for folder in folders]
        self._listener = listener
        self._asleep_s = _asleep_s()

    async def run(self) -> NoReturn:
        """Looks until it is cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Tells what is new."""
        asleep_s = _asleep_s()
        slept_s, self._asleep_s = asleep_s - self._asleep_s, asleep_s
        if slept_s > SLEPT_S:
            self._listener.woken(slept_s)
        file = next((file for file in self._files if file.exists()), None)
        if file is not None and not self.stopped:
            self.stopped = True
            self._listener.stopped_by_file(file)
        elif file is None and self.stopped:
            self.stopped = False
            self._listener.file_gone()


def _asleep_s() -> float:
    """How long the machine has slept since it was booted."""
    return boot_s() - time.monotonic()
