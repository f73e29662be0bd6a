"""The live feed's broadcaster: one reader of the database for all subscribers, and none while there are none.

Each poll reads the changes once and pushes the same frames to every subscriber, so a hundred subscribers cost the
database what one costs.

Invariant: the broadcaster never writes to the database and never waits for a subscriber.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog

from swarmd.domain.errors import TooManyStreams
from swarmd.engine.swarm import Swarm
from swarmd.web.http.responses import encode
from swarmd.web.live.frames import FeedRead, Frames, ReadRequest
from swarmd.web.live.subscriber import Subscriber
from swarmd.wire.reads import Reads

# At most five polls a second, and reading takes at most a tenth of the time.
POLL_EVERY_S: Final = 0.2
REST_PER_WORK: Final = 9.0
KEEPALIVE_S: Final = 2.0
MAX_PER_OWNER: Final = 256
# The loop runs other tasks after this many pushes.
PUSHES_PER_TURN: Final = 8
_BEHIND: Final = encode({"type": "resync", "reason": "you fell behind"})
_TOO_MUCH: Final = encode({"type": "resync", "reason": "too much has changed at once"})

_log = structlog.get_logger("swarmd.web")


class Broadcaster:
    """The source of frames for every subscriber of one swarm."""

    def __init__(self, swarm: Swarm, reads: Reads) -> None:
        self._swarm = swarm
        self._frames = Frames(reads)
        self._subscribers: set[Subscriber] = set()
        self._wake = asyncio.Event()
        # The last event that live subscribers have, and when a frame was last pushed to them.
        self._seq = 0
        self._last_sent_s = 0.0

    def subscribe(self, after: int | None, owner: str = "") -> Subscriber:
        """Adds a subscriber that resumes after this event; None begins with a snapshot.

        Raises: TooManyStreams if the owner, which is a token's id, has MAX_PER_OWNER subscribers.
        """
        if sum(subscriber.owner == owner for subscriber in self._subscribers) >= MAX_PER_OWNER:
            raise TooManyStreams("the live feed", MAX_PER_OWNER)
        subscriber = Subscriber(after, self._wake.set, owner)
        self._subscribers.add(subscriber)
        self._wake.set()
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Removes a subscriber; frames in its queue are dropped with it."""
        self._subscribers.discard(subscriber)

    async def run(self) -> None:
        """Polls while there are subscribers; runs until it is cancelled."""
        while True:
            await self._wake.wait()
            while self._subscribers:
                self._wake.clear()
                changed = self._swarm.wakeups.wait_next()
                await asyncio.sleep(await self._poll_once())
                await self._wait(changed)
            self._wake.clear()

    async def _poll_once(self) -> float:
        """Polls, and returns the pause before the next poll in seconds; waiting for a reader counts as no work."""
        try:
            worked_s = await self._poll()
        except Exception:  # noqa: BLE001  # one failed poll must not end the feed for good
            _log.exception("a round of the live feed failed")
            return KEEPALIVE_S
        return min(max(POLL_EVERY_S, worked_s * REST_PER_WORK), KEEPALIVE_S)

    async def _wait(self, changed: "asyncio.Future[None]") -> None:
        """Waits for a change, for a subscriber that awaits a snapshot, or until a keepalive is due."""
        woken = asyncio.create_task(self._wait_for_subscribers())
        left_s = self._last_sent_s + KEEPALIVE_S - asyncio.get_running_loop().time()
        try:
            await asyncio.wait(
                {changed, woken}, timeout=max(0.0, left_s), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            woken.cancel()
            changed.cancel()

    async def _wait_for_subscribers(self) -> None:
        await self._wake.wait()

    async def _poll(self) -> float:
        """Reads the changes and pushes them to all subscribers; returns how long the read took, in seconds."""
        awaiting = [subscriber for subscriber in self._subscribers if subscriber.awaiting_snapshot]
        live = [subscriber for subscriber in self._subscribers if subscriber.live]
        now_s = asyncio.get_running_loop().time()
        keepalive = bool(live) and now_s - self._last_sent_s >= KEEPALIVE_S
        wanted = ReadRequest(
            base=self._seq if live else None,
            resume_points={subscriber.after for subscriber in awaiting if subscriber.after is not None},
            snapshot=any(subscriber.after is None for subscriber in awaiting),
            keepalive_us=self._swarm.clock.wall_us() if keepalive else None,
        )
        found = await self._swarm.db.read(partial(self._frames.read, wanted=wanted))
        await self._publish(live, found)
        for subscriber in awaiting:
            _start(subscriber, found)
        self._seq = found.seq
        return found.took_s

    async def _publish(self, live: Sequence[Subscriber], found: FeedRead) -> None:
        """Pushes the changes to live subscribers, or the keepalive if nothing changed."""
        if not live:
            self._last_sent_s = asyncio.get_running_loop().time()
            return
        if found.seq == self._seq:
            frames = [found.keepalive] if found.keepalive else []
        else:
            delta = found.deltas[self._seq]
            frames = [_TOO_MUCH, found.snapshot] if delta is None else [delta]
        if frames:
            self._last_sent_s = asyncio.get_running_loop().time()
        for first in range(0, len(live), PUSHES_PER_TURN):
            for subscriber in live[first : first + PUSHES_PER_TURN]:
                for frame in frames:
                    subscriber.push(frame)
            # The loop sends what was pushed: a claim must not wait for a hundred sends.
            await asyncio.sleep(0)


def _start(subscriber: Subscriber, found: FeedRead) -> None:
    delta = None if subscriber.after is None else found.deltas[subscriber.after]
    if subscriber.overflowed:
        subscriber.start(_BEHIND, found.snapshot)
    else:
        subscriber.start(found.snapshot if delta is None else delta)
