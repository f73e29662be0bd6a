"""The time that a session waits in its place for a person, and the question with which it ends if nobody answers."""

import contextlib
import time
from collections.abc import Callable, Iterator

from swarm_worker.domain.people import Question


class PersonWait:
    """The waits of one session. `parked` is the question that holds its task; None unless the session ends for it."""

    def __init__(self, end_program: Callable[[], None]) -> None:
        self.parked: Question | None = None
        self._end_program = end_program
        self._past_s = 0.0
        self._since_s: float | None = None
        self._waiting = 0

    def waited_s(self) -> float:
        """Returns how long the session has waited until now."""
        return self._past_s + (0.0 if self._since_s is None else time.monotonic() - self._since_s)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the time of the block; blocks may overlap."""
        if not self._waiting:
            self._since_s = time.monotonic()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._past_s, self._since_s = self.waited_s(), None

    def park(self, question: Question) -> None:
        """Ends the session, whose question then holds its task."""
        self.parked = question
        self._end_program()
