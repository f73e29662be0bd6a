"""Bears the guards of one worker: a process that has loaded them once, and forks where each would load itself.

Its one rule: it holds nothing of a guard's or a session's open, so that every end of a pipe means what it did.
The worker sends one message for each guard, with the line on which it will speak to it; the answer is the guard's
number with a handle on it. Nothing but the standard library. When the worker has gone it goes too, and leaves its
guards, whose own lines tell them that.
"""

import errno
import gc
import os
import select
import socket
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from swarm_worker.guard import server
from swarm_worker.guard.procfs import PR_SET_CHILD_SUBREAPER, prctl

WORD: Final = b"guard"
ANSWER_BYTES: Final = 64
# Above every descriptor that the worker may have left open for it by mistake.
MOST_DESCRIPTORS: Final = 1 << 20


def main() -> None:
    """Serves the worker at the other end of stdin until that one has gone."""
    os.closerange(3, MOST_DESCRIPTORS)
    server.turn_deaf()
    alarm = server.alarm_pipe()
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
        word, fds = server.receive(line, len(WORD), 1)
    except ConnectionResetError:
        return False
    if not word:
        return False
    try:
        pid = os.fork()
    except OSError as error:
        pid = -(error.errno or errno.EAGAIN)
    if pid == 0:
        _become_guard(fds[0], others=(line.detach(), *alarm))
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


def _become_guard(line: int, *, others: Sequence[int]) -> NoReturn:
    try:
        for fd in others:
            os.close(fd)
        os.dup2(0, 2)  # the worker's own, which somebody may read to its end
        server.serve(line)
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
