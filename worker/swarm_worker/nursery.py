"""Bears the guards of one worker: a process that has loaded them once, and forks where each would load itself.

Its one rule: it holds nothing of a guard's or a session's open, so that every end of a pipe means what it did.
The worker sends one message for each guard: seven descriptors, and what is to be started in the file behind
the last of them; the answer is the guard's number with a handle on it. Nothing but the standard library. When
the worker has gone it goes too, and leaves its guards, whose own pipes tell them that.
"""

import errno
import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Final

from swarm_worker.guard import Guard, Options

# What a message brings, in this order: control, report, lock, stdin, stdout, stderr, and the plan.
DESCRIPTORS: Final = 7
WORD: Final = b"guard"
ANSWER_BYTES: Final = 64
# Above every descriptor that the worker may have left open for it by mistake.
MOST_DESCRIPTORS: Final = 1 << 20


def main() -> None:
    """Serves the worker at the other end of stdin until that one has gone."""
    os.closerange(3, MOST_DESCRIPTORS)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are for the worker, whose end is told otherwise
    alarm = _alarm()
    line = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
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
    try:
        pid = os.fork()
    except OSError as error:
        pid = -(error.errno or errno.EAGAIN)
    if pid == 0:
        _become_guard(line, alarm, fds)
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


def _become_guard(line: socket.socket, alarm: Sequence[int], fds: Sequence[int]) -> None:
    try:
        signal.set_wakeup_fd(-1)
        line.close()
        for fd in alarm:
            os.close(fd)
        control, report, lock, *streams, plan = fds
        for fd in (control, report, lock):
            os.set_inheritable(fd, False)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        with open(plan, encoding="ascii") as file:  # noqa: PTH123  # it is a descriptor
            wanted = json.load(file)
        Guard(Options(control, report, lock, **wanted)).run()
        os._exit(0)
    except BaseException:  # noqa: BLE001  # in a fork nothing may go back up the stack
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


def _alarm() -> tuple[int, int]:
    """A pipe that says that a guard has ended."""
    alarm = os.pipe()
    for fd in alarm:
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(alarm[1], warn_on_full_buffer=False)
    return alarm


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
