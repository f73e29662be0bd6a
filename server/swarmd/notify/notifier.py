"""Tells one target, from where it last was to the latest event, for as long as the server runs.

The rule: the cursor moves when the target has the message, and not before, so that a restart neither loses nor
repeats; and nothing here is ever waited for by a writer. A burst is one message.
"""

import asyncio
import contextlib
from collections import OrderedDict
from functools import partial
from typing import Any, Final, Protocol

import structlog

from swarmd.domain.errors import SwarmError
from swarmd.domain.policy import Backoff
from swarmd.engine.live.wakeups import ReaderKind, Subscription
from swarmd.engine.ports import Entropy
from swarmd.engine.swarm import Swarm
from swarmd.notify.digest import Digest, Message
from swarmd.notify.notices import read
from swarmd.notify.targets import Target
from swarmd.store import events, feed_cursors
from swarmd.store.transaction import Tx

# What happens together is told together.
SETTLE_S: Final = 0.5
# A target gets no more than one message in so long.
GAP_S: Final = 10.0
RETRY: Final = Backoff(first_s=2.0, most_s=300.0)
# The same is not said twice in so long.
REPEAT_AFTER_S: Final = 600.0
_KNOWN_LIMIT: Final = 10_000

_log = structlog.get_logger("swarmd.notify")


class Sender(Protocol):
    """Something that takes messages to targets."""

    async def send(self, target: Target, message: Message) -> bool:
        """Returns when the target has it, or when it is known that it has not."""


class Notifier:
    """One target. Made and used on the event loop."""

    def __init__(self, target: Target, sender: Sender, *, swarm: Swarm, entropy: Entropy, host: str) -> None:
        self._target = target
        self._sender = sender
        self._db = swarm.db
        self._feed = swarm.feed
        self._clock = swarm.clock
        self._observer = swarm.observer
        self._entropy = entropy
        self._host = host
        self._closing = asyncio.Event()
        self._told: OrderedDict[str, float] = OrderedDict()
        self._next_s = 0.0
        self._tries = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins where it was; a target that is new, at the latest event."""
        seq = await self._db.write(self._begin)
        self._task = asyncio.create_task(self._run(seq))

    async def close(self, within_s: float) -> None:
        """Tells what waits, if that takes no longer than this."""
        self._closing.set()
        if self._task is None:
            return
        done, _ = await asyncio.wait([self._task], timeout=within_s)
        if not done:
            self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def _begin(self, tx: Tx) -> int:
        seq = feed_cursors.last_seq(tx, self._target.reader)
        if seq is None:
            seq = events.last_seq(tx)
            feed_cursors.save(tx, self._target.reader, seq)
        return seq

    async def _run(self, seq: int) -> None:
        with self._feed.reading(ReaderKind.NOTIFY, seq) as reading:
            await self._follow(seq, reading)

    async def _follow(self, seq: int, reading: Subscription) -> None:
        while True:
            reading.seq = seq
            more, last = self._feed.next(), self._closing.is_set()
            digest = await self._gather(seq)
            if digest.count:
                more.cancel()
                seq, last = await self._tell(seq)
            else:
                seq = digest.last_seq
                if not last:
                    await self._closed_before(more)
            if last:
                return

    async def _tell(self, seq: int) -> tuple[int, bool]:
        """Sends what there is after that event; how far that goes, and whether it was the last time."""
        await self._pause(max(SETTLE_S, self._next_s - self._clock.monotonic_s()))
        # What came meanwhile goes with it.
        digest, last = await self._gather(seq), self._closing.is_set()
        taken = await self._sender.send(self._target, digest.message(self._host))
        self._observer.notified(taken=taken)
        if taken:
            self._tries = 0
            await self._note(digest)
            return digest.last_seq, last
        self._tries += 1
        self._next_s = self._clock.monotonic_s() + self._wait_s(self._tries)
        return seq, last

    async def _gather(self, seq: int) -> Digest:
        """Everything after that event."""
        digest, known = Digest(seq), self._known()
        while True:
            page = await self._db.read(partial(read, seq=digest.last_seq, topics=self._target.topics))
            digest.take(page, known)
            if not page.full:
                return digest

    async def _note(self, digest: Digest) -> None:
        """The target has it."""
        now_s = self._clock.monotonic_s()
        self._next_s = now_s + GAP_S
        self._told.update(dict.fromkeys(digest.keys, now_s))
        while len(self._told) > _KNOWN_LIMIT:
            self._told.popitem(last=False)
        try:
            await self._db.write(partial(feed_cursors.save, name=self._target.reader, seq=digest.last_seq))
        except SwarmError as error:
            # A disk that is full; the next message moves the cursor too.
            _log.warning("can't note what was notified", target=self._target.number, error=error.message)

    def _known(self) -> frozenset[str]:
        """What was told a short while ago."""
        now_s = self._clock.monotonic_s()
        return frozenset(key for key, told_s in self._told.items() if now_s - told_s < REPEAT_AFTER_S)

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
        """Waits for so long, or until the server ends."""
        if self._closing.is_set():
            return
        over = asyncio.Event()
        timer = self._clock.call_later(delay_s, over.set)
        await self._closed_before(asyncio.ensure_future(over.wait()))
        timer.cancel()

    async def _closed_before(self, waiter: "asyncio.Future[Any]") -> None:
        """Waits for it, or until the server ends."""
        closing: asyncio.Future[Any] = asyncio.ensure_future(self._closing.wait())
        await asyncio.wait([closing, waiter], return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        waiter.cancel()
