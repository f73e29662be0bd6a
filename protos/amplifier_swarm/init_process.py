"""The init process of a container: passes signals on to the program, and reaps what other processes leave.

Invariant: the program itself never has the process number 1. The kernel gives that process all orphans of the
container and ignores signals that it does not handle; a program that waits for its own children can do neither well.
"""

import os
import signal
from typing import Final, NoReturn

# The sender of a signal that a terminal or the kernel makes. A terminal's signals reach the program by themselves.
_SI_KERNEL: Final = 0x80
_NOT_PASSED_ON: Final = frozenset({signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTSTP})
# Faults of this process itself.
_OWN: Final = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT})


def leave_init_process() -> None:
    """Forks if this process has the number 1: the child returns, and the parent serves as the container's init.

    The parent ends with the child, and with its exit code; with 128 and the number of a signal that ended it. It must
    be called before the first thread starts.
    """
    if os.getpid() != 1:
        return
    caught = signal.valid_signals() - _OWN - {signal.SIGKILL, signal.SIGSTOP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, caught)
    program = os.fork()
    if program == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    _serve(program, caught)


def _serve(program: int, caught: set[signal.Signals]) -> NoReturn:
    while True:
        info = signal.sigwaitinfo(caught)
        if info.si_signo == signal.SIGCHLD:
            _reap(program)
        elif info.si_signo not in _NOT_PASSED_ON and info.si_code != _SI_KERNEL:
            os.kill(program, info.si_signo)  # the program is not reaped yet, so its number is its own


def _reap(program: int) -> None:
    """Reaps every child that has ended; ends the process if the program is among them."""
    ended: int | None = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid == 0:
            break
        if pid == program:
            ended = os.waitstatus_to_exitcode(status)
    if ended is not None:
        os._exit(128 - ended if ended < 0 else ended)
