"""When workers that died are started again, and when no more: after a wait that doubles, and never under another
name.

The rule: this only counts and names moments; the clock is the caller's.
"""

import random
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from amplifier_swarm.exits import ExitCode
from swarmctl.run.parent_death import NOT_STARTED

FIRST_S: Final = 1.0
MOST_S: Final = 60.0
# One that has lived for so long was sound; its next death is the first of a new row.
SOUND_S: Final = 60.0
# How often in a row one may end by itself before it was sound; another start would only end like these.
TRIES: Final = 5
# More would be no longer, and in the end too large for a float.
_MOST_DOUBLINGS: Final = 16

# Ends that another start would only repeat, or that are none of a worker in need.
_FINAL_CODES: Final = frozenset(
    {ExitCode.OK, ExitCode.USAGE, ExitCode.DENIED, ExitCode.UNAUTHENTICATED, NOT_STARTED}
)


# Signals that a process brings upon itself; others come from outside, such as from a task that kills its worker.
_FAULTS: Final = frozenset(
    {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS}
)


def worth_a_restart(code: int) -> bool:
    """Whether a worker that ended like this may do better another time."""
    return code not in _FINAL_CODES


class RestartPolicy:
    """The workers that are to be started again, each at its moment."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        """`chance` gives numbers from 0 to 1."""
        self._chance = chance
        self._begun_s: dict[str, float] = {}
        self._deaths: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._due_s: dict[str, float] = {}

    @property
    def next_s(self) -> float | None:
        """The next moment at which one is due; None if none waits."""
        return min(self._due_s.values(), default=None)

    def began(self, name: str, now_s: float) -> None:
        """A worker has been started."""
        self._begun_s[name] = now_s

    def died(self, name: str, now_s: float, code: int) -> float | None:
        """A worker has died; it will be due after so many seconds, or never again if it keeps failing.

        Full jitter keeps a herd apart.
        """
        if now_s - self._begun_s[name] >= SOUND_S:
            self._deaths[name] = self._failures[name] = 0
        self._deaths[name] += 1
        self._failures[name] += code > 0 or -code in _FAULTS
        if self._failures[name] >= TRIES:
            return None
        doublings = min(self._deaths[name] - 1, _MOST_DOUBLINGS)
        longest_s = min(MOST_S, FIRST_S * 2.0**doublings)
        wait_s = self._chance() * longest_s
        self._due_s[name] = now_s + wait_s
        return wait_s

    def take(self, now_s: float) -> Sequence[str]:
        """Those that are due; they wait no longer."""
        due = [name for name, due_s in self._due_s.items() if due_s <= now_s]
        for name in due:
            del self._due_s[name]
        return due

    def forget(self) -> None:
        """None is started again."""
        self._due_s.clear()
