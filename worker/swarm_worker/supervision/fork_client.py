"""Starts the fork server, and asks it for guards."""

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

PACKAGES: Final = Path(__file__).parents[2]
# As a module and not as a script: so it need not be compiled at each start.
FORK_SERVER: Final = (
    "import sys; sys.path.append(sys.argv[1]); from swarm_worker.guard import fork_server; fork_server.main()"
)
# Else each session would look up anew, between fork and exec, what nobody called before in the nursery.
BINDS: Final = {"LD_BIND_NOW": "1"}
# A fork takes a millisecond; one that does not come in this time is of a process that somebody has frozen.
ANSWER_S: Final = 20.0


class ForkServer:
    """The running process, which ends when nobody holds this any more."""

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
        self.line = ours
        self.end_process = weakref.finalize(self, end_process, ours, self.pid)

    async def readable(self) -> None:
        """Returns when there is an answer, or nobody to give one."""
        loop = asyncio.get_running_loop()
        heard: asyncio.Future[None] = loop.create_future()

        def hear() -> None:
            if not heard.done():
                heard.set_result(None)

        number = self.line.fileno()
        loop.add_reader(number, hear)
        try:
            await heard
        finally:
            loop.remove_reader(number)

    def close(self) -> None:
        """Ends it, and it alone: its guards live on."""
        self.end_process()


def end_process(line: socket.socket, pid: int) -> None:
    line.close()
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)  # our own child, which nobody else buries
    with contextlib.suppress(OSError):
        os.waitpid(pid, 0)
