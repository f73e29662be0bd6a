"""The notifier of one target: it follows the events from the target's stored cursor while the server runs.

A burst of events becomes one message. No writer ever waits for a notifier.

Invariant: the cursor moves when the target has taken the message, so that a restart neither loses nor repeats one.
"""

import asyncio
import contextlib
from collections import OrderedDict
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import structlog

from swarmd.domain.errors import SwarmError
from swarmd.domain.policy import Backoff
from swarmd.engine.live.wakeups import SubscriberKind, Subscription
from swarmd.engine.ports import Entropy
from swarmd.engine.swarm import Swarm
from swarmd.notify.digest import Digest, Message
from swarmd.notify.notices import read
from swarmd.notify.targets import Target
from swarmd.store import events, feed_cursors
from swarmd.store.transaction import Tx

# Events of this period go into one message.
SETTLE_S: Final = 0.5
# The shortest time between two messages to a target.
GAP_S: Final = 10.0
RETRY: Final = Backoff(first_s=2.0, most_s=300.0)
# A notice with the same key is not repeated within this time.
REPEAT_AFTER_S: Final = 600.0
_KNOWN_LIMIT: Final = 10_000

_log = structlog.get_logger("swarmd.notify")


class _Sent(NamedTuple):
    # The last event that the target has.
    seq: int
    # Set if the server was ending, so that no message follows.
    last: bool


class Sender(Protocol):
    """A transport of messages to targets."""

    async def send(self, target: Target, message: Message) -> bool:
        """Returns True once the target has taken the message, False if it has not."""


class Notifier:
    """The notifier of one target; not thread-safe, for the event loop only."""

    def __init__(self, target: Target, sender: Sender, *, swarm: Swarm, entropy: Entropy, host: str) -> None:
        self._target = target
        self._sender = sender
        self._db = swarm.db
        self._wakeups = swarm.wakeups
        self._clock = swarm.clock
        self._observer = swarm.observer
        self._entropy = entropy
        self._host = host
        self._closing = asyncio.Event()
        self._sent_at_s: OrderedDict[str, float] = OrderedDict()
        self._next_s = 0.0
        self._tries = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins at the stored cursor; a new target begins at the latest event."""
        seq = await self._db.write(self._starting_seq)
        self._task = asyncio.create_task(self._run(seq))

    async def close(self, within_s: float) -> None:
        """Sends the pending notices if that takes no longer than `within_s`, then ends."""
        self._closing.set()
        if self._task is None:
            return
        done, _ = await asyncio.wait([self._task], timeout=within_s)
        if not done:
            self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def _starting_seq(self, tx: Tx) -> int:
        seq = feed_cursors.last_seq(tx, self._target.reader)
        if seq is None:
            seq = events.last_seq(tx)
            feed_cursors.save(tx, self._target.reader, seq)
        return seq

    async def _run(self, seq: int) -> None:
        with self._wakeups.subscribe(SubscriberKind.NOTIFY, seq) as reading:
            while True:
                try:
                    return await self._follow(reading.seq or seq, reading)
                except Exception:  # noqa: BLE001  # one failed round must not end the notices for good
                    _log.exception("a round of notifications failed", target=self._target.number)
                    if self._closing.is_set():
                        return None
                    self._tries += 1
                    await self._pause(self._wait_s(self._tries))

    async def _follow(self, seq: int, reading: Subscription) -> None:
        while True:
            reading.seq = seq
            more, last = self._wakeups.wait_next(), self._closing.is_set()
            digest = await self._collect(seq)
            if digest.count:
                more.cancel()
                seq, last = await self._send_digest(seq)
            else:
                seq = digest.last_seq
                if not last:
                    await self._wait_unless_closing(more)
            if last:
                return

    async def _send_digest(self, seq: int) -> _Sent:
        """Sends one message with all notices after `seq`."""
        await self._pause(max(SETTLE_S, self._next_s - self._clock.monotonic_s()))
        # Collected again: notices of the meantime go into the same message.
        digest, last = await self._collect(seq), self._closing.is_set()
        taken = await self._sender.send(self._target, digest.message(self._host))
        self._observer.notified(taken=taken)
        if taken:
            self._tries = 0
            await self._mark_delivered(digest)
            return _Sent(digest.last_seq, last)
        self._tries += 1
        self._next_s = self._clock.monotonic_s() + self._wait_s(self._tries)
        return _Sent(seq, last)

    async def _collect(self, seq: int) -> Digest:
        """Reads all notices after `seq`."""
        digest, known = Digest(seq), self._recent_keys()
        while True:
            page = await self._db.read(partial(read, seq=digest.last_seq, topics=self._target.topics))
            digest.add_page(page, known)
            if not page.full:
                return digest

    async def _mark_delivered(self, digest: Digest) -> None:
        """Stores the cursor and remembers the keys of the notices."""
        now_s = self._clock.monotonic_s()
        self._next_s = now_s + GAP_S
        self._sent_at_s.update(dict.fromkeys(digest.keys, now_s))
        while len(self._sent_at_s) > _KNOWN_LIMIT:
            self._sent_at_s.popitem(last=False)
        try:
            await self._db.write(partial(feed_cursors.save, name=self._target.reader, seq=digest.last_seq))
        except SwarmError as error:
            # The disk is full; the next message moves the cursor too.
            _log.warning(
                "can't store the cursor of a notification target",
                target=self._target.number,
                error=error.message,
            )

    def _recent_keys(self) -> frozenset[str]:
        """Returns the keys of notices sent within REPEAT_AFTER_S."""
        now_s = self._clock.monotonic_s()
        return frozenset(key for key, sent_s in self._sent_at_s.items() if now_s - sent_s < REPEAT_AFTER_S)

    def _wait_s(self, tries: int) -> float:
        wait_s = max(1.0, RETRY.delay_s(tries, (1 + self._entropy.chance()) / 2))
        _log.warning(
            "a notification was not taken; trying again",
            target=self._target.number,
            scheme=self._target.scheme,
            tries=tries,
            wait_s=round(wait_s, 1),
        )
        return wait_s

    async def _pause(self, delay_s: float) -> None:
        """Waits for `delay_s`, or until the server ends."""
        if self._closing.is_set():
            return
        elapsed = asyncio.Event()
        timer = self._clock.call_later(delay_s, elapsed.set)
        await self._wait_unless_closing(asyncio.ensure_future(elapsed.wait()))
        timer.cancel()

    async def _wait_unless_closing(self, waiter: "asyncio.Future[Any]") -> None:
        """Waits for the waiter, or until the server ends; cancels the waiter."""
        closing: asyncio.Future[Any] = asyncio.ensure_future(self._closing.wait())
        await asyncio.wait([closing, waiter], return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        waiter.cancel()
