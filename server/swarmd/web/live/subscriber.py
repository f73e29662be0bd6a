"""One who looks on: the frames that wait for them, bounded. Who falls behind loses them all and begins anew."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

# What a slow network may hold back; several seconds of a busy swarm.
MAX_CHARS: Final = 4 * 1024 * 1024


class Subscriber:
    """A queue between the feed and one WebSocket."""

    def __init__(self, after: int | None, stir: Callable[[], None]) -> None:
        # From where the next delta must lead; None wants a snapshot.
        self.after = after
        # Whether it waits for its first frames, follows, or has lost some and is not ready for others yet.
        self.fresh = True
        self.follows = False
        self.fell_behind = False
        self._stir = stir
        self._frames: deque[str] = deque()
        self._chars = 0
        self._some = asyncio.Event()

    def begin(self, *frames: str) -> None:
        """The first frames; from now on it follows."""
        self.fresh, self.follows, self.fell_behind = False, True, False
        for frame in frames:
            self._add(frame)

    def put(self, frame: str) -> None:
        """The next frame; one too many, and all are dropped, and those that follow."""
        if not self.follows:
            return
        if self._frames and self._chars + len(frame) > MAX_CHARS:
            self._frames.clear()
            self._chars = 0
            self.follows, self.fell_behind = False, True
            self._some.set()
            return
        self._add(frame)

    async def next(self) -> str:
        """Waits for a frame. Who has fallen behind asks by this for a new beginning."""
        while not self._frames:
            if self.fell_behind and not self.fresh:
                self.fresh, self.after = True, None
                self._stir()
            self._some.clear()
            await self._some.wait()
        frame = self._frames.popleft()
        self._chars -= len(frame)
        return frame

    def _add(self, frame: str) -> None:
        self._frames.append(frame)
        self._chars += len(frame)
        self._some.set()
