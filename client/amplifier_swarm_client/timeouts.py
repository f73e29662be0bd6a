"""Deadlines and waits of calls, in seconds."""

import random
import time
from typing import Final

# Longer than any answer takes, and shorter than a person waits before it looks like a hang.
DEADLINE_S: Final = 10.0
# The server checks and stores a whole plan before it answers.
IMPORT_DEADLINE_S: Final = 300.0
# How long a call is repeated while the server is away: a restart takes a second or two.
PATIENCE_S: Final = 30.0
_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 5.0


class Deadline:
    """A time limit; none for None."""

    def __init__(self, within_s: float | None) -> None:
        self._end_s = None if within_s is None else time.monotonic() + within_s

    def remaining_s(self) -> float | None:
        """Returns the remaining seconds in the form that gRPC takes."""
        return None if self._end_s is None else max(0.0, self._end_s - time.monotonic())

    @property
    def expired(self) -> bool:
        """True when the time is over."""
        return self.remaining_s() == 0.0


class ReconnectWait:
    """The growing waits for a server that is away. Jitter spreads the reconnects of many clients."""

    def __init__(self) -> None:
        self._wait_s = 0.0

    @property
    def fresh(self) -> bool:
        """True until the first wait, and after `reset`."""
        return self._wait_s == 0.0

    def reset(self) -> None:
        """Begins again with the shortest wait."""
        self._wait_s = 0.0

    def next_s(self) -> float:
        """Returns how long to wait now."""
        self._wait_s = min(_LONGEST_WAIT_S, max(_FIRST_WAIT_S, self._wait_s * 2))
        return self._wait_s * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
