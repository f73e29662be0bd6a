"""Bears the guards of one worker: a process that has loaded them once, and forks where each would load itself.

Its one rule: it holds nothing of a guard's or a session's open, so that every end of a pipe means what it did.
The worker sends one message for each guard: seven descriptors, and what is to be started in the file behind
the last of them; the answer is the guard's number with a handle on it. Nothing but the standard library. When
the worker has gone it goes too, and leaves its guards, whose own pipes tell them that.
"""

import errno
import gc
import marshal
import os
import select
import socket
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from swarm_worker.guard import Guard, Options, alarm_pipe, turn_deaf
from swarm_worker.processes import PR_SET_CHILD_SUBREAPER, prctl

# What a message brings, in this order: control, report, lock, stdin, stdout, stderr, and the plan.
DESCRIPTORS: Final = 7
WORD: Final = b"guard"
ANSWER_BYTES: Final = 64
# Above every descriptor that the worker may have left open for it by mistake.
MOST_DESCRIPTORS: Final = 1 << 20


def main() -> None:
    """Serves the worker at the other end of stdin until that one has gone."""
    os.closerange(3, MOST_DESCRIPTORS)
    turn_deaf()
    alarm = alarm_pipe()
    line = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    prctl(PR_SET_CHILD_SUBREAPER, 0)  # changes nothing, but the way there is looked up once for all guards
    gc.freeze()  # so that the guards share its memory for as long as they live
    while True:
        ready, _, _ = select.select([line.fileno(), alarm[0]], (), ())
        _bury(alarm[0])
        if line.fileno() in ready and not _answer(line, alarm):
            return


def _answer(line: socket.socket, alarm: Sequence[int]) -> bool:
    """Bears one guard; False if nobody is left to ask for one."""
    try:
        word, fds, _, _ = socket.recv_fds(line, len(WORD), DESCRIPTORS)
    except ConnectionResetError:
        return False
    if not word:
        return False
    guard = Guard(_options(fds))
    try:
        pid = os.fork()
    except OSError as error:
        pid = -(error.errno or errno.EAGAIN)
    if pid == 0:
        _become(guard, fds[3:6], others=(line.detach(), *alarm, fds[6]))
    for fd in fds:
        os.close(fd)
    handles = [] if pid < 0 else [os.pidfd_open(pid)]
    try:
        socket.send_fds(line, [str(pid).encode()], handles)
    except OSError:  # nobody is there any more, as the guard will find out
        return False
    finally:
        for handle in handles:
            os.close(handle)
    return True


def _options(fds: Sequence[int]) -> Options:
    """Read before the fork: what the nursery touches it has, what a guard touches is copied for it."""
    control, report, lock, *_, plan = fds
    for fd in (control, report, lock):
        os.set_inheritable(fd, False)
    wanted = marshal.loads(os.pread(plan, os.fstat(plan).st_size, 0))  # noqa: S302  # the worker has sent it
    return Options(control, report, lock, **wanted)


def _become(guard: Guard, streams: Sequence[int], *, others: Sequence[int]) -> NoReturn:
    try:
        for fd in others:
            os.close(fd)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        guard.run()
        os._exit(0)
    except BaseException:  # noqa: BLE001  # in a fork nothing may go back up the stack
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


def _bury(alarm: int) -> None:
    try:
        os.read(alarm, 4096)
    except BlockingIOError:
        return
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
