"""Watch for events of this machine: a file that stops everything, and a sleep of the machine.

Invariant: the watch needs nothing but this machine, so it works when nothing else does.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn, Protocol

from amplifier_swarm.state_paths import STOP_FILE
from swarm_worker.guard.procfs import boot_s

INTERVAL_S: Final = 1.0
# A smaller difference is the time between the two readings of the clocks.
MIN_SLEEP_S: Final = 0.5


class HostListener(Protocol):
    """A receiver of the events."""

    def on_stop_file(self, file: Path) -> None:
        """Handles that the file has appeared."""

    def on_stop_file_removed(self) -> None:
        """Handles that no such file exists any more."""

    def resumed_from_sleep(self, slept_s: float) -> None:
        """Handles that the machine slept for that long."""


class HostWatch:
    """A check of the machine each second, and whenever a caller asks for one."""

    def __init__(self, folders: Sequence[Path], listener: HostListener) -> None:
        self.stopped = False
        self._files = [folder / STOP_FILE for folder in folders]
        self._listener = listener
        self._asleep_s = _asleep_s()

    async def run(self) -> NoReturn:
        """Checks until the task is cancelled."""
        while True:
            self.check()
            await asyncio.sleep(INTERVAL_S)

    def check(self) -> None:
        """Passes to the listener what has changed since the last check."""
        asleep_s = _asleep_s()
        slept_s, self._asleep_s = asleep_s - self._asleep_s, asleep_s
        if slept_s > MIN_SLEEP_S:
            self._listener.resumed_from_sleep(slept_s)
        file = next((file for file in self._files if file.exists()), None)
        if file is not None and not self.stopped:
            self.stopped = True
            self._listener.on_stop_file(file)
        elif file is None and self.stopped:
            self.stopped = False
            self._listener.on_stop_file_removed()


def _asleep_s() -> float:
    """Returns how long the machine has slept since boot."""
    return boot_s() - time.monotonic()
