"""Messages to the user beside the data of a command: lines on stderr."""

import sys

from amplifier_swarm.text import printable


def print_err(text: str) -> None:
    """Writes one line to stderr. A closed terminal is ignored."""
    try:
        sys.stderr.write(printable(text, newlines=True) + "\n")
        sys.stderr.flush()
    except OSError:
        return
