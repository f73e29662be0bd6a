"""Fork server of one worker: loads the guard's code once and forks a guard for each request.

Invariant: the fork server keeps no descriptor of a guard or a session open, so the ends of pipes keep their meaning.
A request brings the guard's socket; the reply is the guard's number with a pidfd. Only the standard library is
imported. The fork server ends with its worker; its guards stay, and notice the worker's end by their own sockets.
"""

import errno
import gc
import os
import select
import socket
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from swarm_worker.guard import protocol, server
from swarm_worker.guard.procfs import PR_SET_CHILD_SUBREAPER, prctl

# More than the number of descriptors that the worker may have left open by mistake.
MAX_FDS: Final = 1 << 20


def main() -> None:
    """Serves the worker at the other end of stdin until the worker has ended."""
    os.closerange(3, MAX_FDS)
    server.install_noop_signal_handlers()
    wakeup_pipe = server.open_signal_wakeup_pipe()
    worker = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    # Performance: a no-op that resolves prctl once for all guards, see "Fork cost" in README.md (docs/performance.md).
    prctl(PR_SET_CHILD_SUBREAPER, 0)
    # Performance: frozen objects are never touched by gc, so guards share these pages (docs/performance.md).
    gc.freeze()
    while True:
        ready, _, _ = select.select([worker.fileno(), wakeup_pipe[0]], (), ())
        _reap(wakeup_pipe[0])
        if worker.fileno() in ready and not _serve_request(worker, wakeup_pipe):
            return


def _serve_request(worker: socket.socket, wakeup_pipe: Sequence[int]) -> bool:
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


def _reap(wakeup_fd: int) -> None:
    """Reaps guards that have ended, if a signal came."""
    try:
        os.read(wakeup_fd, 4096)
    except BlockingIOError:
        return
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
