"""Pool of guards: gives each session a guard, and asks the fork server for new ones.

A guard that is done with a session is kept for the next one for a few seconds.
Invariant: a guard has one session at a time. A guard that has not reported that nothing of its last session is left
gets no other session.
"""

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from swarm_worker.guard.protocol import FORK_REPLY_BYTES, FORK_REQUEST, GuardPlan, dump_plan, receive
from swarm_worker.storage.files import write_all
from swarm_worker.supervision.fork_client import BIND_NOW, ForkServer
from swarm_worker.supervision.guard_client import GuardClient, ReportHandler
from swarm_worker.supervision.guard_watch import GuardWatch

# How long an idle guard is kept; the time from a builder to its validator is shorter.
IDLE_S: Final = 5.0


class _Forked(NamedTuple):
    """A new guard: its number, and a pidfd."""

    pid: int
    pidfd: int


class GuardPool:
    """The guards of one worker, with the fork server that forks them."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        """`env` becomes the environment of the fork server and its guards."""
        self._env = {**BIND_NOW, **(env or {})}
        self.watch = GuardWatch(self._check_fork_server)
        self._fork_server: ForkServer | None = None
        self._fork_lock = asyncio.Lock()
        self._alive: set[int] = set()
        # The longest idle first.
        self._idle: deque[GuardClient] = deque()
        self._close_scheduled = False

    def __contains__(self, pid: int) -> bool:
        return pid in self._alive

    @property
    def fork_pending(self) -> bool:
        """True while a guard may exist whose number has not arrived yet."""
        return self._fork_lock.locked()

    def adopted(self, children_of: Callable[[int], Iterable[int]]) -> Sequence[int]:
        """Returns the children of the fork server that are not guards: what killed guards have left.

        A dead one counts until the fork server has reaped it.
        """
        server = self._fork_server
        return [] if server is None else [pid for pid in children_of(server.pid) if pid not in self._alive]

    async def start_session(
        self, plan: GuardPlan, fds: Sequence[int], on_report: ReportHandler
    ) -> GuardClient:
        """Gives a session to an idle guard, or to a new one. `fds` are the lock, stdin, stdout and stderr.

        Raises:
            OSError: no guard could be had.
        """
        with _plan_file(plan) as plan_fd:
            request_fds = (*fds, plan_fd)
            while self._idle:
                guard = self._idle.pop()
                if _try_start(guard, request_fds, on_report):
                    return guard
            guard = await self._fork_guard()
            guard.start_session(request_fds, on_report)
            return guard

    def release(self, guard: GuardClient) -> None:
        """Takes a guard back whose session is over, for the next session."""
        guard.mark_idle()
        self._idle.append(guard)
        if not self._close_scheduled:
            self._close_scheduled = True
            asyncio.get_running_loop().call_later(IDLE_S, self._close_idle)

    def _close_idle(self) -> None:
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[0].idle_since_s + IDLE_S <= loop.time():
            self._idle.popleft().close()
        self._close_scheduled = bool(self._idle)
        if self._close_scheduled:
            loop.call_at(self._idle[0].idle_since_s + IDLE_S, self._close_idle)

    def _on_guard_exit(self, guard: GuardClient) -> None:
        self._alive.discard(guard.pid)
        if guard in self._idle:  # somebody has killed it
            self._idle.remove(guard)
            guard.close()

    async def _fork_guard(self) -> GuardClient:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setblocking(False)
        try:
            async with self._fork_lock:
                try:
                    forked = await self._request_fork(theirs.fileno())
                except ConnectionResetError:  # the fork server ended before it read the request
                    forked = await self._request_fork(theirs.fileno())
        except BaseException:
            ours.close()  # if there is a guard after all, it ends
            raise
        finally:
            theirs.close()
        self._alive.add(forked.pid)
        return GuardClient(forked.pid, forked.pidfd, ours, on_exit=self._on_guard_exit)

    async def _request_fork(self, guard_sock: int) -> _Forked:
        """Asks the fork server for one guard."""
        try:
            server = self._send_request(guard_sock)
        except OSError:  # the fork server has ended, and got nothing of this request
            self._drop_fork_server()
            server = self._send_request(guard_sock)
        try:
            await server.wait_reply()
            data, pidfds = receive(server.sock, FORK_REPLY_BYTES, 1)
            pid = int(data or b"0")
        except BaseException:
            self._drop_fork_server()
            raise
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        if pid == 0 or not pidfds:
            self._drop_fork_server()
            raise OSError("the fork server was killed; the next session starts another")
        return _Forked(pid, pidfds[0])

    def _send_request(self, guard_sock: int) -> ForkServer:
        if self._fork_server is None:
            self._fork_server = ForkServer(self._env)
        socket.send_fds(self._fork_server.sock, [FORK_REQUEST], [guard_sock])
        return self._fork_server

    def _check_fork_server(self) -> None:
        if (
            self._fork_server is not None
            and not self.fork_pending
            and not self._fork_server.resume_if_stopped()
        ):
            self._drop_fork_server()  # its guards live on as children of this process

    def _drop_fork_server(self) -> None:
        if self._fork_server is not None:
            self._fork_server.close()
            self._fork_server = None


@contextlib.contextmanager
def _plan_file(plan: GuardPlan) -> Iterator[int]:
    """Opens an unnamed file with the plan, which may be longer than a packet."""
    fd = os.memfd_create("plan")
    try:
        write_all(fd, dump_plan(plan))
        yield fd
    finally:
        os.close(fd)


def _try_start(guard: GuardClient, fds: Sequence[int], on_report: ReportHandler) -> bool:
    """Gives the session to an idle guard; returns False, and closes the guard, if it has ended."""
    try:
        guard.start_session(fds, on_report)
    except OSError:
        guard.close()
        return False
    return True
