"""Wakes the subscribers of events and logs. A wakeup carries no data: each subscriber reads on from its own cursor."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# The subject of subscribers that read all events.
EVENTS: Final = ""


def question_subject(hold_id: str) -> str:
    """Returns the subject of those who wait for the answer to a question. No task has such an id."""
    return f"?{hold_id}"


class SubscriberKind(StrEnum):
    """The kinds of subscribers."""

    EVENTS = "events"
    LOG = "log"
    WEBSOCKET = "websocket"
    NOTIFY = "notify"


@dataclass(eq=False, slots=True)
class Subscription:
    """A subscriber and the last event that it has read; `seq` stays None for logs and sockets."""

    kind: SubscriberKind
    seq: int | None = None


class Wakeups:
    """A condition per subject: the events as a whole, or the log of one task."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        # The number of notifications about events so far.
        self.count = 0
        # Read by metrics: how many subscribers there are, and how far behind each one is.
        self.subscriptions: set[Subscription] = set()

    @contextlib.contextmanager
    def subscribe(self, kind: SubscriberKind, seq: int | None = None) -> Iterator[Subscription]:
        """Registers a subscriber for the duration of the block; the subscriber keeps `seq` up to date."""
        subscription = Subscription(kind, seq)
        self.subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self.subscriptions.discard(subscription)

    def notify(self, subject: str = EVENTS) -> None:
        """Wakes the subscribers of the subject: something new can be read."""
        self.count += subject == EVENTS
        for waiter in self._waiting.pop(subject, ()):
            if not waiter.done():
                waiter.set_result(None)

    def wait_next(self, subject: str = EVENTS) -> asyncio.Future[None]:
        """Returns a future of the next notification.

        Call it before reading and await it after: then no change falls in between.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting[subject]
        waiting.add(waiter)
        waiter.add_done_callback(lambda done: self._forget(subject, done))
        return waiter

    def close(self) -> None:
        """Cancels every wait, so that the streams of subscribers can end."""
        for subject in list(self._waiting):
            for waiter in self._waiting.pop(subject):
                waiter.cancel()

    def _forget(self, subject: str, waiter: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(subject)
        if waiting is not None:
            waiting.discard(waiter)
            if not waiting:
                del self._waiting[subject]
