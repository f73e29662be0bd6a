"""The restart policy for workers that died: a wait that doubles, then no more; always under the same name.

Invariant: this module only counts and computes; the caller owns the clock.
"""

import random
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from amplifier_swarm.exits import ExitCode
from swarmctl.parent_death import NOT_STARTED

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 60.0
# A worker that ran this long was stable; its counters start again.
STABLE_AFTER_S: Final = 60.0
# The number of failures in a row after which a worker is given up.
TRIES: Final = 5
# More doublings change nothing, and would overflow a float.
_MOST_DOUBLINGS: Final = 16

# Exit codes that a restart would only repeat, or that need none.
_FINAL_CODES: Final = frozenset(
    {ExitCode.OK, ExitCode.USAGE, ExitCode.DENIED, ExitCode.UNAUTHENTICATED, NOT_STARTED}
)


# Signals of a process's own faults; others come from outside, such as from a task that kills its worker.
_FAULTS: Final = frozenset(
    {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS}
)


def worth_a_restart(code: int) -> bool:
    """Returns whether a worker with this exit code may do better at a new start."""
    return code not in _FINAL_CODES


class RestartPolicy:
    """The workers that wait for a restart, each with its time."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        """Creates the policy; `chance` returns numbers from 0 to 1."""
        self._chance = chance
        self._started_s: dict[str, float] = {}
        self._exits: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._due_s: dict[str, float] = {}

    @property
    def next_due_s(self) -> float | None:
        """The earliest time at which a worker is due; None if none waits."""
        return min(self._due_s.values(), default=None)

    def record_start(self, name: str, now_s: float) -> None:
        """Records the start of a worker."""
        self._started_s[name] = now_s

    def schedule(self, name: str, now_s: float, code: int) -> float | None:
        """Schedules the restart of a worker that died.

        Returns the wait in seconds, or None if the worker keeps failing and is given up. Full jitter
        spreads the restarts of many workers.
        """
        if now_s - self._started_s[name] >= STABLE_AFTER_S:
            self._exits[name] = self._failures[name] = 0
        self._exits[name] += 1
        self._failures[name] += code > 0 or -code in _FAULTS
        if self._failures[name] >= TRIES:
            return None
        doublings = min(self._exits[name] - 1, _MOST_DOUBLINGS)
        longest_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0**doublings)
        wait_s = self._chance() * longest_s
        self._due_s[name] = now_s + wait_s
        return wait_s

    def pop_due(self, now_s: float) -> Sequence[str]:
        """Returns the workers that are due, and removes them from the schedule."""
        due = [name for name, due_s in self._due_s.items() if due_s <= now_s]
        for name in due:
            del self._due_s[name]
        return due

    def cancel_all(self) -> None:
        """Cancels all restarts."""
        self._due_s.clear()
