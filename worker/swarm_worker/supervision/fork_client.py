"""The worker's side of the fork server: starts the process and ends it."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from swarm_worker.guard.guard_tree import is_stopped

# The folder that holds the package swarm_worker.
PACKAGES: Final = Path(__file__).parents[2]
# Performance: a module is compiled once, a script at each start (docs/performance.md).
FORK_SERVER: Final = (
    "import sys; sys.path.append(sys.argv[1]); from swarm_worker.guard import fork_server; fork_server.main()"
)
# Performance: without it each session resolves symbols again between fork and exec (docs/performance.md).
BIND_NOW: Final = {"LD_BIND_NOW": "1"}
# A fork takes a millisecond. A fork server that takes this long has been frozen by somebody.
REPLY_S: Final = 20.0
# How often a fork server that does not reply is looked at.
LOOK_S: Final = 1.0
# A fork server that is found stopped more often is replaced.
MAX_STOPS: Final = 3


class ForkServer:
    """A running fork server. The process ends when this object is collected."""

    def __init__(self, env: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        argv = [sys.executable, "-I", "-S", "-c", FORK_SERVER, str(PACKAGES)]
        try:
            null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), (os.POSIX_SPAWN_DUP2, null, 1)]
            self.pid = os.posix_spawn(sys.executable, argv, env, file_actions=actions)
            os.close(null)
        finally:
            theirs.close()
        self.sock = ours
        self._stops = 0
        self._kill = weakref.finalize(self, _kill_process, ours, self.pid)

    async def wait_reply(self) -> None:
        """Waits until a reply can be read, or until the process has ended.

        Raises:
            TimeoutError: the process does not reply, although it was continued.
        """
        async with asyncio.timeout(REPLY_S):
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        return await self._wait_readable()
                self.resume_if_stopped()

    def resume_if_stopped(self) -> bool:
        """Continues a process that somebody has stopped; returns False if that happened too often."""
        if is_stopped(self.pid):
            self._stops += 1
            with contextlib.suppress(OSError):  # the process has ended
                os.kill(self.pid, signal.SIGCONT)
        return self._stops <= MAX_STOPS

    async def _wait_readable(self) -> None:
        loop = asyncio.get_running_loop()
        readable: asyncio.Future[None] = loop.create_future()

        def on_readable() -> None:
            if not readable.done():
                readable.set_result(None)

        fd = self.sock.fileno()
        loop.add_reader(fd, on_readable)
        try:
            await readable
        finally:
            loop.remove_reader(fd)

    def close(self) -> None:
        """Kills the fork server; its guards live on."""
        self._kill()


def _kill_process(sock: socket.socket, pid: int) -> None:
    sock.close()
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)  # our own child, which nobody else reaps
    with contextlib.suppress(OSError):
        os.waitpid(pid, 0)
