"""A guard's post: one process that guards one session after the other, and nothing of two at a time.

To be born costs a process more than to guard a session that is soon over. Its one rule: before it listens for the
next session nothing is left of the last, and nothing of it is open here. Nothing but the standard library.
"""

import marshal
import os
import select
import signal
import socket
from collections.abc import Sequence
from typing import Final

from swarm_worker.guard.containment import PIDNS
from swarm_worker.guard.procfs import PR_SET_CHILD_SUBREAPER, prctl
from swarm_worker.guard.session_guard import GuardOptions, SessionGuard

# A message that begins a session brings its lock, its stdin, stdout and stderr, and the plan, in this order.
SESSION: Final = b"session"
DESCRIPTORS: Final = 5
# Of each, in a message.
NUMBER_BYTES: Final = 4
# Those that ask a program to end are for the worker, and a shell lets what it starts in the background ignore some of
# them; the last two are what Python itself ignores.
DEAF_TO: Final = (
    signal.SIGCHLD,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGPIPE,
    signal.SIGXFSZ,
)


def turn_deaf() -> None:
    """Lets signals do no more than end a wait: before guards are borne, who inherit it.

    Not by ignoring them, which a session would inherit too: handlers end with its exec.
    """
    for number in DEAF_TO:
        signal.signal(number, lambda *_: None)


def alarm_pipe() -> tuple[int, int]:
    """A pipe that says, from now on, when a signal has come: that a child has ended, for one."""
    alarm = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(alarm[1], warn_on_full_buffer=False)
    return alarm


def receive(line: socket.socket, most_bytes: int, descriptors: int) -> tuple[bytes, Sequence[int]]:
    """A message and the descriptors that came with it, none of which a program that is started will have.

    What the library has for this lets every program have them.
    """
    room = socket.CMSG_LEN(descriptors * NUMBER_BYTES)
    word, others, _, _ = line.recvmsg(most_bytes, room, socket.MSG_CMSG_CLOEXEC)
    return word, [fd for _, _, data in others for fd in memoryview(data).cast("i")]


def serve(line: int) -> None:
    """Guards what the worker at the other end of the line sends, until that one has gone."""
    os.setsid()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    alarm = alarm_pipe()
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=line)
    while fds := _next(ear):
        options = _options(fds)
        SessionGuard(options, line=line, alarm=alarm).run()
        if options.level == PIDNS:  # a process can have children in one other namespace only
            return


def _next(ear: socket.socket) -> Sequence[int]:
    """What the next session comes with; nothing when the worker has gone."""
    while True:
        select.select([ear], (), ())
        try:
            word, fds = receive(ear, len(SESSION), DESCRIPTORS)
        except ConnectionResetError:  # the worker has gone, and had not heard all; the end comes next
            continue
        if fds or not word:
            return fds


def _options(fds: Sequence[int]) -> GuardOptions:
    lock, *streams, plan = fds
    wanted = marshal.loads(os.pread(plan, os.fstat(plan).st_size, 0))  # noqa: S302  # the worker has sent it
    os.close(plan)
    return GuardOptions(lock, streams, **wanted)
