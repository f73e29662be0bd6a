"""A live-feed subscriber with a bounded frame queue; on overflow it drops the queue and gets a new snapshot."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

# The most that may wait for a slow network: several seconds of a busy swarm.
MAX_CHARS: Final = 4 * 1024 * 1024


class Subscriber:
    """A queue of frames between the broadcaster and one WebSocket.

    A subscriber is in one of three states: it awaits its first frames, it is live, or it has overflowed. An
    overflowed subscriber gets no frames until `next_frame` asks for a new snapshot.
    """

    def __init__(self, after: int | None, wake: Callable[[], None], owner: str = "") -> None:
        self.owner = owner
        # The event after which the next delta must begin; None asks for a snapshot.
        self.after = after
        self.awaiting_snapshot = True
        self.live = False
        self.overflowed = False
        self._wake = wake
        self._frames: deque[str] = deque()
        self._chars = 0
        self._ready = asyncio.Event()

    def start(self, *frames: str) -> None:
        """Queues the first frames and makes the subscriber live."""
        self.awaiting_snapshot, self.live, self.overflowed = False, True, False
        for frame in frames:
            self._add(frame)

    def push(self, frame: str) -> None:
        """Queues a frame of a live subscriber; on overflow drops this frame and the whole queue."""
        if not self.live:
            return
        if self._frames and self._chars + len(frame) > MAX_CHARS:
            self._frames.clear()
            self._chars = 0
            self.live, self.overflowed = False, True
            self._ready.set()
            return
        self._add(frame)

    async def next_frame(self) -> str:
        """Waits for a frame; after an overflow asks the broadcaster for a new snapshot first."""
        while not self._frames:
            if self.overflowed and not self.awaiting_snapshot:
                self.awaiting_snapshot, self.after = True, None
                self._wake()
            self._ready.clear()
            await self._ready.wait()
        frame = self._frames.popleft()
        self._chars -= len(frame)
        return frame

    def _add(self, frame: str) -> None:
        self._frames.append(frame)
        self._chars += len(frame)
        self._ready.set()
