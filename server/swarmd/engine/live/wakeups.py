"""Wakes those who follow events or logs. It carries no data: each reads on from its own cursor."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# The subject of those who follow everything.
EVENTS: Final = ""


class ReaderKind(StrEnum):
    """Who follows."""

    EVENTS = "events"
    LOG = "log"
    WEBSOCKET = "websocket"
    NOTIFY = "notify"


@dataclass(eq=False, slots=True)
class Subscription:
    """One who follows, and up to which event; None for one who follows something else."""

    kind: ReaderKind
    seq: int | None = None


class Wakeups:
    """One condition a subject: the events as a whole, or the log of one task."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        # How often there was something new.
        self.wakes = 0
        # For those who measure how many follow, and how far behind they are.
        self.readings: set[Subscription] = set()

    @contextlib.contextmanager
    def reading(self, kind: ReaderKind, seq: int | None = None) -> Iterator[Subscription]:
        """Counts somebody who follows for as long as the block lasts; they keep `seq` true."""
        reading = Subscription(kind, seq)
        self.readings.add(reading)
        try:
            yield reading
        finally:
            self.readings.discard(reading)

    def wake(self, subject: str = EVENTS) -> None:
        """Something new can be read about the subject."""
        self.wakes += subject == EVENTS
        for waiter in self._waiting.pop(subject, ()):
            if not waiter.done():
                waiter.set_result(None)

    def next(self, subject: str = EVENTS) -> asyncio.Future[None]:
        """Done at the next wake. Ask before you read, await after: then nothing falls in between."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting[subject]
        waiting.add(waiter)
        waiter.add_done_callback(lambda done: self._forget(subject, done))
        return waiter

    def close(self) -> None:
        """Ends all waiting, so that those who follow can end too."""
        for subject in list(self._waiting):
            for waiter in self._waiting.pop(subject):
                waiter.cancel()

    def _forget(self, subject: str, waiter: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(subject)
        if waiting is not None:
            waiting.discard(waiter)
            if not waiting:
                del self._waiting[subject]
