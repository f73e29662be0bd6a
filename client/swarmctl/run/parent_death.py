"""Becomes another program, one that gets a signal when the process that started it is gone: of a run that
is killed outright, nothing is left behind to work and to cost.

Started as `python -I -S tether.py SIGNAL PARENT PROGRAM ARGUMENT…`, both of the first being numbers. The
rule: the standard library only, and little of it, for each child of a run waits for this.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

# From Linux's prctl.h: the signal that this process gets when its parent dies. It outlives an exec.
PR_SET_PDEATHSIG: Final = 1
# What a shell exits with where it can't start a program.
NOT_STARTED: Final = 127


def main(arguments: Sequence[str]) -> int:
    """Becomes the program; returns only if it can't."""
    number, parent, *argv = arguments
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        return _failed("can't be tied to its parent", ctypes.get_errno())
    # A parent that died before that sends nothing any more.
    if os.getppid() != int(parent):
        return 128 + int(number)
    try:
        os.execv(argv[0], argv)  # noqa: S606  # the program that runs is the one that was asked for
    except OSError as error:
        return _failed(f"can't start {argv[0]}", error.errno or 0)


def tethered(argv: Sequence[str], *, end: signal.Signals) -> Sequence[str]:
    """The argv that starts the program with the signal for its parent's death, this process being it."""
    return (sys.executable, "-I", "-S", __file__, str(int(end)), str(os.getpid()), *argv)


def _failed(what: str, number: int) -> int:
    sys.stderr.write(f"swarmctl: {what}: {os.strerror(number)}\n")
    return NOT_STARTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
