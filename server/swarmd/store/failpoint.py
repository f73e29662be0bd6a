"""Places where a test ends this process as a crash would. In production each costs one cached look-up.

`SWARM_FAILPOINT=<site>:<nth>:kill` is honoured only beside `SWARM_TESTING=1`: when the process passes the site for
the nth time, it gets SIGKILL, so that nothing cleans up.
"""

import functools
import itertools
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class _Armed:
    site: str
    nth: int
    passed: Iterator[int] = field(default_factory=lambda: itertools.count(1))


def is_armed() -> bool:
    """Returns True if some site ends this process."""
    return _armed() is not None


def hit(site: str) -> None:
    """Ends the process if the named site is armed and this is its nth pass."""
    armed = _armed()
    if armed is not None and armed.site == site and next(armed.passed) == armed.nth:
        os.kill(os.getpid(), signal.SIGKILL)


@functools.cache
def _armed() -> _Armed | None:
    text = os.environ.get("SWARM_FAILPOINT", "")
    if not text or os.environ.get("SWARM_TESTING") != "1":
        return None
    site, nth, action = text.rsplit(":", 2)
    if action != "kill":
        raise ValueError(f"SWARM_FAILPOINT={text}: {action!r} is not an action; pass <site>:<nth>:kill")
    return _Armed(site, int(nth))
