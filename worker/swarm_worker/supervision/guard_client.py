"""The worker's side of one guard: orders to it, its reports, its end.

Invariant: nothing here waits for the guard, which may be frozen or gone.
"""

import asyncio
import contextlib
import os
import signal
import socket
import weakref
from collections.abc import Callable, Sequence
from functools import partial

from swarm_worker.guard.guard_tree import format_process, is_stopped
from swarm_worker.guard.procfs import stat, unless_blind
from swarm_worker.guard.protocol import PING, REPORT_BYTES, SESSION_REQUEST

# Receives the reports on a session, one packet a call; an empty packet is the guard's end.
ReportHandler = Callable[[bytes], None]


class GuardClient:
    """A running guard. The guard ends, and ends its session, when the worker's end of the socket is closed."""

    def __init__(
        self, pid: int, pidfd: int, sock: socket.socket, *, on_exit: Callable[["GuardClient"], None]
    ) -> None:
        self.pid = pid
        found = unless_blind(partial(stat, pid))
        self._lock_record = b"" if found is None else format_process(found.process).encode()
        self.idle_since_s = 0.0
        self._pidfd = pidfd
        self._sock = sock
        self._on_exit = on_exit
        self._on_report: ReportHandler | None = None
        self._close_pidfd = weakref.finalize(self, os.close, pidfd)
        self._close_sock = weakref.finalize(self, sock.close)
        self._loop = asyncio.get_running_loop()
        self._exited: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(pidfd, self._on_pidfd_readable)
        self._loop.add_reader(sock.fileno(), self._on_readable)

    def start_session(self, fds: Sequence[int], on_report: ReportHandler) -> None:
        """Sends the guard a session with the descriptors that `guard.protocol` lists; the lock file names the guard.

        Raises:
            OSError: the guard has ended.
        """
        os.pwrite(fds[0], self._lock_record, 0)  # before the guard can have the lock
        socket.send_fds(self._sock, [SESSION_REQUEST], fds)
        self._on_report = on_report

    def send(self, order: bytes) -> bool:
        """Sends an order; returns False if the socket is full, which means that the guard is frozen."""
        try:
            self._sock.send(order)
        except BlockingIOError:
            return False
        except OSError:  # the guard has ended
            return True
        return True

    def is_stopped(self) -> bool:
        """Returns whether somebody has stopped the guard."""
        return is_stopped(self.pid)

    def resume(self) -> None:
        """Continues the guard."""
        self._signal(signal.SIGCONT)

    def ping(self) -> None:
        """Asks for a sign of life."""
        self.send(PING)

    def kill(self) -> None:
        """Kills the guard; its session's processes become orphans of this process."""
        self._signal(signal.SIGKILL)

    def shutdown_write(self) -> None:
        """Makes the guard end its session as soon as it has read the orders that were sent before."""
        with contextlib.suppress(OSError):  # the guard has ended
            self._sock.shutdown(socket.SHUT_WR)

    def mark_idle(self) -> None:
        """Marks the guard as idle, after its report that the session is over."""
        self._on_report = None
        self.idle_since_s = self._loop.time()

    def close(self) -> None:
        """Closes the socket; the guard then ends its session and itself."""
        if self._close_sock.alive:
            self._loop.remove_reader(self._sock)
            self._close_sock()

    async def wait(self) -> None:
        """Waits until the guard has ended and the kernel has given its children a new parent."""
        await self._exited

    def _signal(self, number: int) -> None:
        if self._close_pidfd.alive:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def _on_readable(self) -> None:
        try:
            report = self._sock.recv(REPORT_BYTES)
        except (BlockingIOError, ConnectionResetError):
            # The guard ended with orders unread, for the second; the empty packet comes next.
            return
        if not report:
            self._loop.remove_reader(self._sock)
        if self._on_report is not None:
            self._on_report(report)

    def _on_pidfd_readable(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self._close_pidfd()
        if not self._exited.done():
            self._exited.set_result(None)
        self._on_exit(self)
