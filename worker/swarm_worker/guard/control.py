"""What the worker says to a guard while a session runs, and what its silence means.

One message a word: `kill GRACE_S` ends the session, `fence BOOT_S` says until when it may run, on the clock that
goes on while the machine sleeps. Its one rule: the line's end, or no extension in time, ends the session too,
since the worker is dead or cut off, whatever state its event loop is in. Nothing but the standard library.
"""

import contextlib
import os
import time
from typing import Final

from swarm_worker.guard.procfs import boot_s

# What a session leaves behind when it ends by itself had its chance already.
LEFTOVER_GRACE_S: Final = 1.0
# Nobody is left who could answer for the session; the next worker waits for its end.
ORPHAN_GRACE_S: Final = 10.0
WORD_BYTES: Final = 256


class Control:
    """What the worker says, and what its silence means."""

    def __init__(self, fd: int, *, grace_s: float, fence_s: float) -> None:
        self.cause = ""
        self.fd = fd
        self._grace_s = grace_s
        self._fence_s = fence_s
        self._kill_at: float | None = None

    @property
    def fence_left_s(self) -> float:
        """How long the session may still run unless the worker says more."""
        return max(0.0, self._fence_s - boot_s())

    def read(self) -> None:
        """Takes in what has been said so far, and what time it is; waits for nothing, as the line is set."""
        self._hear()
        if self.fence_left_s == 0:  # the grace period is part of what the server waits for, so it began then
            self._end("fence", max(0.0, self._grace_s - (boot_s() - self._fence_s)))

    def _hear(self) -> None:
        # The second is said once, before the end.
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while message := os.read(self.fd, WORD_BYTES):
                self._obey(message)
            self._end("orphaned", min(self._grace_s, ORPHAN_GRACE_S))

    def grace_left_s(self) -> float:
        """How long processes may take to end by themselves; a later order can shorten it."""
        return 0.0 if self._kill_at is None else max(0.0, self._kill_at - time.monotonic())

    def exited(self) -> None:
        """The session has ended; what is left of an order's grace period stays."""
        if not self.cause:
            self._end("exit", min(self._grace_s, LEFTOVER_GRACE_S))

    def _obey(self, message: bytes) -> None:
        word, _, number = message.partition(b" ")
        if word == b"kill":
            self._end("order", float(number))
        elif word == b"fence":
            self._fence_s = float(number)

    def _end(self, cause: str, grace_s: float) -> None:
        self.cause = self.cause or cause
        kill_at = time.monotonic() + grace_s
        self._kill_at = kill_at if self._kill_at is None else min(self._kill_at, kill_at)
