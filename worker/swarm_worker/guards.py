"""Has guards borne: the worker's side of the nursery. Its one rule: a start whose end is unknown is no start.

Whoever gets an error from `start` lets go of the guard's control pipe and waits until its lock is free; then
nothing of it is left, whatever had become of it.
"""

import asyncio
import contextlib
import marshal
import os
import signal
import socket
import sys
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from swarm_worker.nursery import ANSWER_BYTES, WORD

PACKAGES: Final = Path(__file__).parents[1]
# As a module and not as a script: so it need not be compiled at each start.
NURSERY: Final = "import sys; sys.path.append(sys.argv[1]); from swarm_worker import nursery; nursery.main()"
# A fork takes a millisecond; one that does not come in this time is of a process that somebody has frozen.
ANSWER_S: Final = 20.0


class GuardProcess:
    """A guard that was borne."""

    def __init__(self, pid: int, handle: int) -> None:
        self.pid = pid
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._handle = handle
        asyncio.get_running_loop().add_reader(handle, self._end)

    async def wait(self) -> None:
        """Returns when it has ended, and with it everything that it had open."""
        await self._ended

    def close(self) -> None:
        """Forgets it."""
        if self._handle >= 0:
            asyncio.get_running_loop().remove_reader(self._handle)
            os.close(self._handle)
            self._handle = -1

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        if not self._ended.done():
            self._ended.set_result(None)


class Guards:
    """Starts guards, one after the other; and the nursery whenever there is none."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        """`env` is what the nursery can be known by."""
        self._env = dict(env or {})
        self._nursery: _Nursery | None = None
        self._turn = asyncio.Lock()

    async def start(self, plan: Mapping[str, Any], fds: Sequence[int]) -> GuardProcess:
        """Starts one with the descriptors that `nursery` names; raises OSError if that is not certain."""
        with os.fdopen(os.memfd_create("plan"), "w+b") as file:
            marshal.dump(dict(plan), file)
            file.flush()
            async with self._turn:
                try:
                    return await self._ask([*fds, file.fileno()])
                except ConnectionResetError:  # it ended with this unread, so nothing can have come of it
                    return await self._ask([*fds, file.fileno()])

    async def _ask(self, fds: Sequence[int]) -> GuardProcess:
        try:
            self._send(fds)
        except OSError:  # it has ended, and had not heard this
            self._drop()
            self._send(fds)
        assert self._nursery is not None
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._nursery.readable()
            word, handles, _, _ = socket.recv_fds(self._nursery.line, ANSWER_BYTES, 1)
            number = int(word or b"0")
        except BaseException:
            self._drop()
            raise
        if number < 0:
            raise OSError(-number, os.strerror(-number))
        if number == 0 or not handles:
            self._drop()
            raise OSError("the process that starts guards was ended")
        os.set_inheritable(handles[0], False)
        return GuardProcess(number, handles[0])

    def _send(self, fds: Sequence[int]) -> None:
        if self._nursery is None:
            self._nursery = _Nursery(self._env)
        socket.send_fds(self._nursery.line, [WORD], fds)

    def _drop(self) -> None:
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None


class _Nursery:
    """The running process, which ends when nobody holds this any more."""

    def __init__(self, env: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        argv = [sys.executable, "-I", "-S", "-c", NURSERY, str(PACKAGES)]
        try:
            null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), (os.POSIX_SPAWN_DUP2, null, 1)]
            self.pid = os.posix_spawn(sys.executable, argv, env, file_actions=actions)
            os.close(null)
        finally:
            theirs.close()
        self.line = ours
        self._end = weakref.finalize(self, _end, ours, self.pid)

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
        self._end()


def _end(line: socket.socket, pid: int) -> None:
    line.close()
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)  # our own child, which nobody else buries
    with contextlib.suppress(OSError):
        os.waitpid(pid, 0)
