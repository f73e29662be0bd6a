"""Server loop of a guard process: guards one session after another, never two at a time.

Invariant: before the loop waits for the next session, nothing of the last session is alive or open here.
Performance: a fork costs more CPU than the guarding of a short session (docs/performance.md).
Only the standard library is imported.
"""

import os
import select
import signal
import socket
from collections.abc import Sequence
from typing import Final

from swarm_worker.guard import protocol
from swarm_worker.guard.containment import PIDNS
from swarm_worker.guard.procfs import PR_SET_CHILD_SUBREAPER, prctl
from swarm_worker.guard.session_guard import SessionGuard

# Signals that ask a program to end are for the worker alone, and a shell makes background programs ignore some of
# them. Python itself ignores the last two.
HANDLED_SIGNALS: Final = (
    signal.SIGCHLD,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGPIPE,
    signal.SIGXFSZ,
)


def install_noop_signal_handlers() -> None:
    """Makes signals do no more than end a wait; guards inherit the handlers.

    An ignored signal would stay ignored in the session, but an exec removes handlers.
    """
    for number in HANDLED_SIGNALS:
        signal.signal(number, lambda *_: None)


def open_signal_wakeup_pipe() -> tuple[int, int]:
    """Opens a pipe that becomes readable when a signal comes, for example at the end of a child."""
    pipe = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(pipe[1], warn_on_full_buffer=False)
    return pipe


def serve(fd: int) -> None:
    """Guards the sessions that the worker sends over the socket, until the worker has ended."""
    os.setsid()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    wakeup_pipe = open_signal_wakeup_pipe()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=fd)
    while fds := _next_request_fds(sock):
        request = protocol.load_request(fds)
        SessionGuard(request, worker=fd, wakeup_pipe=wakeup_pipe).run()
        if request.plan.level == PIDNS:  # a process can have children in one other namespace only
            return


def _next_request_fds(sock: socket.socket) -> Sequence[int]:
    """Waits for a session request; returns no descriptors if the worker has ended."""
    while True:
        select.select([sock], (), ())
        try:
            data, fds = protocol.receive(sock, len(protocol.SESSION_REQUEST), protocol.SESSION_FDS)
        except ConnectionResetError:  # the worker ended with reports unread; the next read returns the end
            continue
        if fds or not data:  # a packet without descriptors is a late order for the last session
            return fds
