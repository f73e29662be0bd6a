"""Orders that the worker gives a guard while a session runs, and the meaning of the worker's silence.

Invariant: a closed socket, or a fence that is not extended in time, ends the session as an order does. The worker is
then dead or cut off, whatever state its event loop is in. Only the standard library is imported.
"""

import contextlib
import os
import time
from typing import Final

from swarm_worker.guard.guard_tree import ORPHAN_GRACE_S
from swarm_worker.guard.procfs import boot_s
from swarm_worker.guard.protocol import FENCE, KILL, ORDER_BYTES, PING, parse_order

# Grace period for what a session leaves behind when it exits by itself.
LEFTOVER_GRACE_S: Final = 1.0


class Control:
    """The end of one session: whether it has begun, by what cause, and how long it may take."""

    def __init__(self, fd: int, *, grace_s: float, fence_s: float) -> None:
        self.cause = ""
        # Whether the worker has asked for a sign of life that it has not got yet.
        self.pinged = False
        self.fd = fd
        self._grace_s = grace_s
        self._fence_s = fence_s
        self._kill_at: float | None = None

    @property
    def fence_left_s(self) -> float:
        """Seconds that the session may still run unless the worker extends the fence."""
        return max(0.0, self._fence_s - boot_s())

    def update(self) -> None:
        """Applies the orders that have come and looks at the clock; never waits, since the socket is non-blocking."""
        self._read_orders()
        if (
            self.fence_left_s == 0
        ):  # the server's wait includes the grace period, so the period began at the fence
            self._set_cause("fence", max(0.0, self._grace_s - (boot_s() - self._fence_s)))

    def _read_orders(self) -> None:
        # The worker's end gives ConnectionResetError once if reports were unread, and then an empty packet.
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while packet := os.read(self.fd, ORDER_BYTES):
                self._apply(packet)
            self._set_cause("orphaned", min(self._grace_s, ORPHAN_GRACE_S))

    def grace_left_s(self) -> float:
        """Returns how long processes may still take to end by themselves; a later order can shorten the time."""
        return 0.0 if self._kill_at is None else max(0.0, self._kill_at - time.monotonic())

    def session_exited(self) -> None:
        """Begins the end because the session has exited; an order's remaining grace period stays."""
        if not self.cause:
            self._set_cause("exit", min(self._grace_s, LEFTOVER_GRACE_S))

    def limit_reached(self) -> None:
        """Begins the end because the session has reached a limit of its control group."""
        self._set_cause("limit", min(self._grace_s, LEFTOVER_GRACE_S))

    def _apply(self, packet: bytes) -> None:
        order = parse_order(packet)
        if order.name == KILL:
            self._set_cause("order", order.number)
        elif order.name == FENCE:
            self._fence_s = order.number
        elif order.name == PING:
            self.pinged = True

    def _set_cause(self, cause: str, grace_s: float) -> None:
        self.cause = self.cause or cause
        kill_at = time.monotonic() + grace_s
        self._kill_at = kill_at if self._kill_at is None else min(self._kill_at, kill_at)
