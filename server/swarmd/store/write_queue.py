"""The writes that wait for the writer thread. Its one rule: an urgent one waits for none that has not begun."""

import asyncio
import queue
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from swarmd.store.transaction import Tx


@dataclass(slots=True)
class Job:
    """One write that waits for its commit."""

    operation: Callable[[Tx], Any]
    done: asyncio.Future[Any]
    urgent: bool = False
    # It takes long, and may be undone and done again so that an urgent one need not wait for its end.
    patient: bool = False
    result: Any = None
    error: BaseException | None = None
    callbacks: list[Callable[[], None]] = field(default_factory=list)


class WriteQueue:
    """Filled by any thread, emptied by one."""

    def __init__(self) -> None:
        # None rings: something urgent has come, or the end.
        self._bell: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._urgent: deque[Job] = deque()
        self._taken: deque[Job] = deque()
        self._closed = False

    @property
    def waiting(self) -> bool:
        """Whether there is something to write, or a bell that has not been heard."""
        return bool(self._urgent or self._taken) or not self._bell.empty()

    def put(self, job: Job) -> None:
        """Adds one."""
        if job.urgent:
            self._urgent.append(job)
            self._bell.put(None)
        else:
            self._bell.put(job)

    def close(self) -> None:
        """From now on nobody waits for more."""
        self._closed = True
        self._bell.put(None)

    def take(self) -> list[Job]:
        """All that waits, what is urgent first. Waits for something; nothing means that this was closed."""
        while not (self._urgent or self._taken or self._closed):
            self._hear(self._bell.get())
        while not self._bell.empty():
            self._hear(self._bell.get())
        group = [*self.take_urgent(), *self._taken]
        self._taken.clear()
        return group

    def pressed(self) -> bool:
        """Whether something urgent waits."""
        return bool(self._urgent)

    def take_urgent(self) -> list[Job]:
        """What urgent has come meanwhile."""
        found = []
        while self._urgent:
            found.append(self._urgent.popleft())
        return found

    def put_back(self, jobs: Sequence[Job]) -> None:
        """They were taken and have to wait a little longer, before all others."""
        self._taken.extendleft(reversed(jobs))

    def _hear(self, job: Job | None) -> None:
        if job is not None:
            self._taken.append(job)
