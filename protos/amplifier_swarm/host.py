"""The name of this machine, as messages and logs can carry it."""

import socket
from typing import Final

from amplifier_swarm.text import one_line

_MAX_CHARS: Final = 255


def host_name() -> str:
    """Returns the host's name on one harmless line; "unknown" if the host has none.

    The system may give any bytes: blanks, control characters, text that is not UTF-8.
    """
    return one_line(socket.gethostname(), _MAX_CHARS) or "unknown"
