"""The jobs that wait for the writer thread. Invariant: an urgent job waits for no job that has not begun."""

import asyncio
import queue
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from swarmd.store.ordered_by import ORDERED_BY, OrderedBy
from swarmd.store.transaction import Tx


@dataclass(slots=True)
class WriteJob:
    """A write that waits for its commit."""

    operation: Callable[[Tx], Any]
    done: asyncio.Future[Any]
    urgent: bool = False
    # A long job, which may be undone and run again so that an urgent one need not wait for its end.
    preemptible: bool = False
    result: Any = None
    error: BaseException | None = None
    # Of the call that makes the job.
    ordered_by: OrderedBy = field(default_factory=ORDERED_BY.get)
    callbacks: list[Callable[[], None]] = field(default_factory=list)


class WriteQueue:
    """A queue that any thread fills and the writer thread empties; urgent jobs come first."""

    def __init__(self) -> None:
        # None only wakes the writer: an urgent job was queued, or the queue was closed.
        self._queue: queue.SimpleQueue[WriteJob | None] = queue.SimpleQueue()
        self._urgent: deque[WriteJob] = deque()
        self._waiting: deque[WriteJob] = deque()
        self._closed = False

    @property
    def is_empty(self) -> bool:
        """False if a job waits, or a wakeup that the writer has not seen."""
        return not (self._urgent or self._waiting) and self._queue.empty()

    def add(self, job: WriteJob) -> None:
        """Adds a job at the end, or among the urgent ones."""
        if job.urgent:
            self._urgent.append(job)
            self._queue.put(None)
        else:
            self._queue.put(job)

    def close(self) -> None:
        """Makes `drain` return without waiting from now on."""
        self._closed = True
        self._queue.put(None)

    def drain(self) -> list[WriteJob]:
        """Removes and returns all jobs, urgent ones first; waits for the first job.

        An empty list means that the queue is closed.
        """
        while not (self._urgent or self._waiting or self._closed):
            self._receive(self._queue.get())
        while not self._queue.empty():
            self._receive(self._queue.get())
        group = [*self.drain_urgent(), *self._waiting]
        self._waiting.clear()
        return group

    def has_urgent(self) -> bool:
        """Returns True if an urgent job waits."""
        return bool(self._urgent)

    def drain_urgent(self) -> list[WriteJob]:
        """Removes and returns the urgent jobs."""
        jobs = []
        while self._urgent:
            jobs.append(self._urgent.popleft())
        return jobs

    def requeue(self, jobs: Sequence[WriteJob]) -> None:
        """Puts drained jobs back at the head of the queue."""
        self._waiting.extendleft(reversed(jobs))

    def _receive(self, job: WriteJob | None) -> None:
        if job is not None:
            self._waiting.append(job)
