"""The worker's side of one guard: what is said to it, what it says, and its end.

Its one rule: nothing here waits for the guard, which may be frozen or gone.
"""

import asyncio
import contextlib
import os
import socket
import weakref
from collections.abc import Callable, Sequence
from typing import Final

from swarm_worker.guard.server import SESSION

MESSAGE_BYTES: Final = 64 * 1024

# Takes what a guard says of a session, a message at a time; an empty one is the end of the guard.
Take = Callable[[bytes], None]


class GuardClient:
    """A guard that was borne. It ends, and ends its session, when nobody is there any more to speak to it."""

    def __init__(
        self, pid: int, handle: int, line: socket.socket, *, gone: Callable[["GuardClient"], None]
    ) -> None:
        self.pid = pid
        self.idle_since_s = 0.0
        self._handle = handle
        self._line = line
        self._gone = gone
        self._take: Take | None = None
        self._close_handle = weakref.finalize(self, os.close, handle)
        self._close_line = weakref.finalize(self, line.close)
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(handle, self._end)
        self._loop.add_reader(line.fileno(), self._hear)

    def begin(self, fds: Sequence[int], take: Take) -> None:
        """Gives it a session, with the descriptors that `post` names; raises OSError if it can't be told."""
        socket.send_fds(self._line, [SESSION], fds)
        self._take = take

    def tell(self, message: str) -> bool:
        """Says something; False if there is no room for it, since the guard is frozen."""
        try:
            self._line.send(message.encode())
        except BlockingIOError:
            return False
        except OSError:  # it has ended
            return True
        return True

    def say_no_more(self) -> None:
        """When it has heard all that was said to it, it is to end its session."""
        with contextlib.suppress(OSError):  # it has ended
            self._line.shutdown(socket.SHUT_WR)

    def rest(self) -> None:
        """It has said that its session is over."""
        self._take = None
        self.idle_since_s = self._loop.time()

    def hang_up(self) -> None:
        """Speaks to it no more; what it guards it ends now."""
        if self._close_line.alive:
            self._loop.remove_reader(self._line)
            self._close_line()

    async def wait(self) -> None:
        """Returns when it has ended, and whose parent it was have another."""
        await self._ended

    def _hear(self) -> None:
        try:
            said = self._line.recv(MESSAGE_BYTES)
        except (BlockingIOError, ConnectionResetError):
            # The second if it ended before it had heard all; the end comes next.
            return
        if not said:
            self._loop.remove_reader(self._line)
        if self._take is not None:
            self._take(said)

    def _end(self) -> None:
        self._loop.remove_reader(self._handle)
        self._close_handle()
        if not self._ended.done():
            self._ended.set_result(None)
        self._gone(self)
