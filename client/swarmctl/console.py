"""Messages to the user beside the data of a command: lines on stderr."""

import sys

from amplifier_swarm.standard_streams import print_error_in_order
from amplifier_swarm.text import printable


def print_err(text: str) -> None:
    """Writes one line to stderr. It neither fails nor blocks for long, whatever became of stderr."""
    line = printable(text, newlines=True)
    if sys.stderr is sys.__stderr__:
        print_error_in_order(line)
    else:  # the live board shows the line
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
