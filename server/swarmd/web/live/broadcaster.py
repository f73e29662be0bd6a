"""The live feed: one reader of the database for all who look on, and none while nobody does.

Every round reads what is new once and hands the same frames to everybody, so a hundred viewers cost the
database what one costs. It never writes and never waits for a viewer.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog

from swarmd.engine.swarm import Swarm
from swarmd.web.http.responses import encode
from swarmd.web.live.frames import FeedRead, Frames, ReadRequest
from swarmd.web.live.subscriber import Subscriber
from swarmd.wire.reads import Reads

# At most five rounds a second, and never more than a tenth of the time.
ROUND_S: Final = 0.2
REST_PER_WORK: Final = 9.0
PULSE_S: Final = 2.0
# How many viewers are told before others get their turn on the loop.
AT_ONCE: Final = 8
_BEHIND: Final = encode({"type": "resync", "reason": "you fell behind"})
_TOO_MUCH: Final = encode({"type": "resync", "reason": "too much has changed at once"})

_log = structlog.get_logger("swarmd.web")


class Broadcaster:
    """Feeds every viewer of one swarm."""

    def __init__(self, swarm: Swarm, looks: Reads) -> None:
        self._swarm = swarm
        self._frames = Frames(looks)
        self._viewers: set[Subscriber] = set()
        self._stirred = asyncio.Event()
        # Up to where those who follow have been told, and when.
        self._seq = 0
        self._told_s = 0.0

    @property
    def viewers(self) -> int:
        """How many look on."""
        return len(self._viewers)

    def join(self, after: int | None) -> Subscriber:
        """One more looks on, from that number or from a snapshot on."""
        viewer = Subscriber(after, self._stirred.set)
        self._viewers.add(viewer)
        self._stirred.set()
        return viewer

    def leave(self, viewer: Subscriber) -> None:
        """One looks no more."""
        self._viewers.discard(viewer)

    async def run(self) -> None:
        """Feeds for ever."""
        while True:
            await self._stirred.wait()
            while self._viewers:
                self._stirred.clear()
                news = self._swarm.wakeups.wait_next()
                await asyncio.sleep(await self._turn())
                await self._rest(news)
            self._stirred.clear()

    async def _turn(self) -> float:
        """One round; for how long to rest after it. To wait for a reader is no work."""
        try:
            worked_s = await self._round()
        except Exception:  # noqa: BLE001  # one bad round must not end the feed for good
            _log.exception("a round of the live feed failed")
            return PULSE_S
        return min(max(ROUND_S, worked_s * REST_PER_WORK), PULSE_S)

    async def _rest(self, news: "asyncio.Future[None]") -> None:
        """Until there is something new to tell, or somebody new to tell it to, or nothing for a while."""
        stirred = asyncio.create_task(self._wait_for_viewers())
        left_s = self._told_s + PULSE_S - asyncio.get_running_loop().time()
        try:
            await asyncio.wait({news, stirred}, timeout=max(0.0, left_s), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stirred.cancel()
            news.cancel()

    async def _wait_for_viewers(self) -> None:
        await self._stirred.wait()

    async def _round(self) -> float:
        """Reads, and tells everybody; how long the reading took."""
        fresh = [viewer for viewer in self._viewers if viewer.fresh]
        following = [viewer for viewer in self._viewers if viewer.follows]
        now_s = asyncio.get_running_loop().time()
        pulse = bool(following) and now_s - self._told_s >= PULSE_S
        wanted = ReadRequest(
            base=self._seq if following else None,
            afters={viewer.after for viewer in fresh if viewer.after is not None},
            snapshot=any(viewer.after is None for viewer in fresh),
            pulse_us=self._swarm.clock.wall_us() if pulse else None,
        )
        reading = await self._swarm.db.read(partial(self._frames.read, wanted=wanted))
        await self._tell(following, reading)
        for viewer in fresh:
            _welcome(viewer, reading)
        self._seq = reading.seq
        return reading.took_s

    async def _tell(self, following: Sequence[Subscriber], reading: FeedRead) -> None:
        """Hands on what is new, or the pulse if nothing is."""
        if not following:
            self._told_s = asyncio.get_running_loop().time()
            return
        if reading.seq == self._seq:
            frames = [reading.pulse] if reading.pulse else []
        else:
            delta = reading.deltas[self._seq]
            frames = [_TOO_MUCH, reading.snapshot] if delta is None else [delta]
        if frames:
            self._told_s = asyncio.get_running_loop().time()
        for begin in range(0, len(following), AT_ONCE):
            for viewer in following[begin : begin + AT_ONCE]:
                for frame in frames:
                    viewer.put(frame)
            # What is put is sent as soon as the loop turns: a claim should not wait for a hundred sends.
            await asyncio.sleep(0)


def _welcome(viewer: Subscriber, reading: FeedRead) -> None:
    delta = None if viewer.after is None else reading.deltas[viewer.after]
    if viewer.fell_behind:
        viewer.begin(_BEHIND, reading.snapshot)
    else:
        viewer.begin(reading.snapshot if delta is None else delta)
