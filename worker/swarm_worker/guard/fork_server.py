"""Fork server of one worker: loads the guard's code once and forks a guard for each request.

Invariant: the fork server keeps no descriptor of a guard or a session open, so the ends of pipes keep their meaning.
A request brings the guard's socket; the reply is the guard's number with a pidfd. Only the standard library is
imported.

A guard that somebody stops (SIGSTOP) is continued at once. When the worker has ended, its guards notice that by their
own sockets. The fork server stays until they have ended, since nobody else is left to continue a stopped guard.
The fork server is a subreaper too: what a killed guard leaves becomes its child, and never the child of a process
that knows nothing of sessions. A worker that runs kills these orphans and counts them; the fork server does it for a
worker that is dead or late.
"""

import contextlib
import errno
import gc
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Final, NoReturn

from swarm_worker.guard import protocol, server
from swarm_worker.guard.guard_tree import ORPHAN_GRACE_S, end_guard
from swarm_worker.guard.procfs import (
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    UNKILLABLE_S,
    children,
    kill_frozen,
    prctl,
    stat,
    unless_blind,
    with_descendants,
)

# More than the number of descriptors that the worker may have left open by mistake.
MAX_FDS: Final = 1 << 20
# A guard that is stopped more often is killed, and the worker kills what the guard leaves.
MAX_STOPS: Final = 20
# A guard of a dead worker needs its grace period and a moment.
GUARDS_END_S: Final = ORPHAN_GRACE_S + 2.0
POLL_S: Final = 0.5
# A worker kills orphans within milliseconds; one that has not done it after this is frozen.
WORKER_KILLS_S: Final = 5.0
ORPHAN_POLL_S: Final = 0.02


def main() -> None:
    """Serves the worker at the other end of stdin until the worker has ended."""
    os.closerange(3, MAX_FDS)
    prctl(
        PR_SET_DUMPABLE, 0
    )  # sessions have the same user, and must not read a guard's memory; guards inherit it
    server.install_noop_signal_handlers()
    wakeup_pipe = server.open_signal_wakeup_pipe()
    worker = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    # Performance: resolves prctl once for all guards too, see "Fork cost" in README.md (docs/performance.md).
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    # Performance: frozen objects are never touched by gc, so guards share these pages (docs/performance.md).
    gc.freeze()
    guards = _Guards(wakeup_pipe[0])
    while True:
        ready, _, _ = select.select([worker.fileno(), wakeup_pipe[0]], (), (), guards.end_orphans())
        guards.handle_signals()
        if worker.fileno() in ready and not _serve_request(worker, wakeup_pipe, guards):
            break
    worker.close()
    os.dup2(0, 2)  # stderr is the worker's own, and somebody may read it to its end
    guards.wait_ended()


class _Guards:
    """The guards that were forked, which are reaped and continued, and the orphans that they leave."""

    def __init__(self, wakeup_fd: int) -> None:
        self._wakeup_fd = wakeup_fd
        # How often each guard was stopped. A child that is not among them is an orphan of a guard that was killed.
        self._stops: dict[int, int] = {}
        # When a guard ended without the proof that its session is gone; None while there can be no orphans.
        self._orphans_since_s: float | None = None
        self._worker_is_dead = False

    def add(self, pid: int) -> None:
        """Takes charge of a guard that was forked just now."""
        self._stops[pid] = 0

    def handle_signals(self) -> None:
        """Reaps and continues guards, if a signal came."""
        try:
            os.read(self._wakeup_fd, 4096)
        except BlockingIOError:
            return
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
                if pid == 0:
                    return
                if not os.WIFSTOPPED(status):
                    is_guard = self._stops.pop(pid, None) is not None
                    if (status or not is_guard) and self._orphans_since_s is None:
                        self._orphans_since_s = time.monotonic()
                elif pid in self._stops:
                    self._continue(pid)

    def end_orphans(self) -> float | None:
        """Kills what killed guards have left, if the worker does not; returns the seconds until the next look.

        Returns None if no orphan is seen.
        """
        if self._orphans_since_s is None:
            return None
        found = unless_blind(partial(children, os.getpid()))
        orphans = [pid for pid in found or () if pid not in self._stops]
        if found is not None and not orphans:
            self._orphans_since_s = None
            return None
        age_s = time.monotonic() - self._orphans_since_s
        if not self._worker_is_dead and age_s < WORKER_KILLS_S:
            return POLL_S
        kill_frozen(unless_blind(partial(with_descendants, orphans)) or ())
        return ORPHAN_POLL_S if age_s < UNKILLABLE_S else POLL_S

    def wait_ended(self) -> None:
        """Waits for the guards of a dead worker, and ends the sessions of guards that take too long."""
        self._worker_is_dead = True
        deadline = time.monotonic() + GUARDS_END_S
        while _has_child():
            # One look may miss an orphan, so each round looks again.
            self._orphans_since_s = self._orphans_since_s or time.monotonic()
            select.select([self._wakeup_fd], (), (), self.end_orphans() or POLL_S)
            self.handle_signals()
            if time.monotonic() > deadline:
                for pid in self._stops:
                    _end(pid)
                deadline = time.monotonic() + GUARDS_END_S

    def _continue(self, pid: int) -> None:
        self._stops[pid] += 1
        if self._stops[pid] <= MAX_STOPS:
            _send(pid, signal.SIGCONT)
        elif self._worker_is_dead:
            _end(pid)
        else:
            _send(pid, signal.SIGKILL)  # its orphans come here, and the worker kills them


def _has_child() -> bool:
    """Returns whether any child is left, by the word of the kernel, which needs no descriptor."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _send(pid: int, number: int) -> None:
    """Signals a child, which keeps its number until it is reaped here."""
    with contextlib.suppress(OSError):  # the guard has ended
        os.kill(pid, number)


def _end(pid: int) -> None:
    if found := unless_blind(partial(stat, pid)):
        end_guard(found.process)


def _serve_request(worker: socket.socket, wakeup_pipe: Sequence[int], guards: _Guards) -> bool:
    """Forks one guard; returns False if the worker has ended."""
    try:
        data, fds = protocol.receive(worker, len(protocol.FORK_REQUEST), 1)
    except ConnectionResetError:
        return False
    if not data:
        return False
    try:
        pid = os.fork()
    except OSError as error:
        pid = -(error.errno or errno.EAGAIN)
    if pid == 0:
        _become_guard(fds[0], inherited=(worker.detach(), *wakeup_pipe))
    for fd in fds:
        os.close(fd)
    if pid > 0:
        guards.add(pid)
    pidfds = [] if pid < 0 else [os.pidfd_open(pid)]
    try:
        socket.send_fds(worker, [str(pid).encode()], pidfds)
    except OSError:  # the worker has ended; the guard will notice by its own socket
        return False
    finally:
        for pidfd in pidfds:
            os.close(pidfd)
    return True


def _become_guard(sock: int, *, inherited: Sequence[int]) -> NoReturn:
    try:
        for fd in inherited:
            os.close(fd)
        os.dup2(0, 2)  # stderr is the worker's own, and somebody may read it to its end
        server.serve(sock)
        os._exit(0)
    except BaseException:  # noqa: BLE001  # a fork must not return to its parent's code
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)
