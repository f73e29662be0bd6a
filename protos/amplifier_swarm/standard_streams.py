"""The standard streams of the daemons: lines on stdout and stderr that can't stop the program.

Invariant: no line of a daemon is written to these streams except through here.
"""

import atexit
import os
import sys
from functools import cache
from typing import Final

from amplifier_swarm.line_sink import LineSink

STDOUT: Final = 1
STDERR: Final = 2
# How long an ending program waits for a reader that does not read.
FLUSH_S: Final = 1.0


def open_closed_streams() -> None:
    """Opens /dev/null in the place of standard streams that are closed; call it before any file is opened.

    Otherwise the next file that the program opens gets the number of the stream, and log lines end up in it.
    """
    for fd in (0, STDOUT, STDERR):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(fd, True)
    sys.stdout = sys.stdout or open(STDOUT, "w", closefd=False)  # noqa: SIM115  # lives as long as the program
    sys.stderr = sys.stderr or open(STDERR, "w", closefd=False)  # noqa: SIM115  # as above


@cache
def sink(fd: int) -> LineSink:
    """Returns the sink of a standard stream; it is flushed when the program ends."""
    made = LineSink(fd)
    atexit.register(made.flush, FLUSH_S)
    return made


def print_line(text: str) -> None:
    """Prints a line on stdout, for the program that started this one."""
    sink(STDOUT).write(text)


def print_error(text: str) -> None:
    """Prints a line on stderr, after all log lines before it."""
    sink(STDERR).write(text)


def print_error_in_order(text: str) -> None:
    """Prints a line on stderr before anything that the caller writes to stdout next.

    It waits until the line is written, unless earlier lines wait for a reader that does not read.
    """
    stderr = sink(STDERR)
    stderr.write(text)
    if not stderr.stuck:
        stderr.flush(FLUSH_S)
