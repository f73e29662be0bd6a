"""Has sessions guarded: which guard gets which, and the nursery that bears them.

A guard that is done with a session is kept for the next, as long as sessions follow each other closely. Its one
rule: a guard has one session at a time, and one that has not said that nothing is left of its last gets no other.
"""

import asyncio
import contextlib
import marshal
import os
import socket
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from swarm_worker.guard.fork_server import ANSWER_BYTES, WORD
from swarm_worker.guard.server import receive
from swarm_worker.storage.files import write_all
from swarm_worker.supervision.fork_client import ANSWER_S, BINDS, ForkServer
from swarm_worker.supervision.guard_client import GuardClient, Take

# How long a guard that has nothing to do is kept. From a builder to its validator it is less.
IDLE_S: Final = 5.0


class GuardPool:
    """The guards of one worker; and the nursery, whenever one is needed."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        """`env` is what the nursery can be known by."""
        self._env = {**BINDS, **(env or {})}
        self._nursery: ForkServer | None = None
        self._turn = asyncio.Lock()
        self._alive: set[int] = set()
        # The one that has rested longest first.
        self._idle: deque[GuardClient] = deque()
        self._tidies = False

    def __contains__(self, pid: int) -> bool:
        return pid in self._alive

    @property
    def bearing(self) -> bool:
        """Whether there may be a guard of which nobody knows the number yet."""
        return self._turn.locked()

    async def start(self, plan: Mapping[str, Any], fds: Sequence[int], take: Take) -> GuardClient:
        """Has a session guarded; raises OSError if nothing has come of that.

        `fds` are its lock, stdin, stdout and stderr.
        """
        with _packed(plan) as packed:
            given = (*fds, packed)
            while self._idle:
                guard = self._idle.pop()
                if _begins(guard, given, take):
                    return guard
            guard = await self._bear()
            guard.begin(given, take)
            return guard

    def keep(self, guard: GuardClient) -> None:
        """It has nothing to do; the next session is its, if that comes soon."""
        guard.rest()
        self._idle.append(guard)
        if not self._tidies:
            self._tidies = True
            asyncio.get_running_loop().call_later(IDLE_S, self._tidy)

    def _tidy(self) -> None:
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[0].idle_since_s + IDLE_S <= loop.time():
            self._idle.popleft().hang_up()
        self._tidies = bool(self._idle)
        if self._tidies:
            loop.call_at(self._idle[0].idle_since_s + IDLE_S, self._tidy)

    def _forget(self, guard: GuardClient) -> None:
        self._alive.discard(guard.pid)
        if guard in self._idle:  # somebody has ended it
            self._idle.remove(guard)
            guard.hang_up()

    async def _bear(self) -> GuardClient:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setblocking(False)
        try:
            async with self._turn:
                try:
                    pid, handle = await self._ask(theirs.fileno())
                except ConnectionResetError:  # it ended with this unread, so nothing can have come of it
                    pid, handle = await self._ask(theirs.fileno())
        except BaseException:
            ours.close()  # should there be a guard, it ends
            raise
        finally:
            theirs.close()
        self._alive.add(pid)
        return GuardClient(pid, handle, ours, gone=self._forget)

    async def _ask(self, line: int) -> tuple[int, int]:
        """The number of a new guard, and a handle on it."""
        try:
            self._send(line)
        except OSError:  # it has ended, and had not heard this
            self._drop()
            self._send(line)
        assert self._nursery is not None
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._nursery.readable()
            word, handles = receive(self._nursery.line, ANSWER_BYTES, 1)
            number = int(word or b"0")
        except BaseException:
            self._drop()
            raise
        if number < 0:
            raise OSError(-number, os.strerror(-number))
        if number == 0 or not handles:
            self._drop()
            raise OSError("the process that starts guards was ended")
        return number, handles[0]

    def _send(self, line: int) -> None:
        if self._nursery is None:
            self._nursery = ForkServer(self._env)
        socket.send_fds(self._nursery.line, [WORD], [line])

    def _drop(self) -> None:
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None


@contextlib.contextmanager
def _packed(plan: Mapping[str, Any]) -> Iterator[int]:
    """A file of no folder with the plan, which may be longer than a message."""
    fd = os.memfd_create("plan")
    try:
        write_all(fd, marshal.dumps(dict(plan)))
        yield fd
    finally:
        os.close(fd)


def _begins(guard: GuardClient, fds: Sequence[int], take: Take) -> bool:
    """Whether it could be told: somebody may have ended it."""
    try:
        guard.begin(fds, take)
    except OSError:
        guard.hang_up()
        return False
    return True
