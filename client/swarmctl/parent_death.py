"""An exec wrapper that sets the parent-death signal: no child survives a run that is killed outright.

Usage: `python -I -S parent_death.py SIGNAL PARENT PROGRAM ARGUMENT…`, with numbers for the first two.

Invariant: this module imports little, and only of the standard library: each child of a run waits for it.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

# From Linux's prctl.h: sets the signal for the death of the parent. The setting survives an exec.
PR_SET_PDEATHSIG: Final = 1
# The exit code of a shell that can't start a program.
NOT_STARTED: Final = 127


def main(arguments: Sequence[str]) -> int:
    """Replaces this process by the program; returns an exit code only if that fails."""
    number, parent, *argv = arguments
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        return _failed("can't be tied to its parent", ctypes.get_errno())
    # If the parent died before the call, no signal arrives.
    if os.getppid() != int(parent):
        return 128 + int(number)
    try:
        os.execv(argv[0], argv)  # noqa: S606  # the program that runs is the one that was asked for
    except OSError as error:
        return _failed(f"can't start {argv[0]}", error.errno or 0)


def with_parent_death_signal(argv: Sequence[str], *, signal_number: signal.Signals) -> Sequence[str]:
    """Returns the argv that starts the program with a signal for the death of this process."""
    return (sys.executable, "-I", "-S", __file__, str(int(signal_number)), str(os.getpid()), *argv)


def _failed(what: str, number: int) -> int:
    sys.stderr.write(f"swarmctl: {what}: {os.strerror(number)}\n")
    return NOT_STARTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
