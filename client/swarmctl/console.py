"""What the program says to people beside its data: lines on stderr."""

import sys

from amplifier_swarm.text import printable


def say(text: str) -> None:
    """Writes one line; what can't be written (a closed terminal) is not missed."""
    try:
        sys.stderr.write(printable(text, newlines=True) + "\n")
        sys.stderr.flush()
    except OSError:
        return
