"""Signs of life for the worker, which ends sessions that are silent for too long.

Invariant: a session that hangs outside of a request gives no sign, and a request that stays open gives signs only
for so long. The library itself ends no request.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from .ndjson import NdjsonStream

EVERY_S: Final = 30.0
OPEN_REQUEST_S: Final = 1800.0


@dataclass(slots=True)
class LifeSign:
    """The signs of one session; `every_s` is the least time between two of them."""

    stream: NdjsonStream
    every_s: float = EVERY_S
    _waits_since_s: float | None = None
    _sent_s: float = 0.0
    _number: int = 0

    def note_event(self, *, waits: bool, is_reported: bool) -> None:
        """Notes an event of the library. `waits` says whether a request is open after it.

        An event that is not reported, such as a piece of the model's reasoning, is a sign of life by itself.
        """
        self._waits_since_s = time.monotonic() if waits else None
        if not is_reported and time.monotonic() - self._sent_s >= self.every_s:
            self._send()

    async def run(self) -> None:
        """Gives a sign from time to time while a request is open, until cancelled."""
        while True:
            await asyncio.sleep(self.every_s)
            since_s = self._waits_since_s
            if since_s is not None and time.monotonic() - since_s < OPEN_REQUEST_S:
                self._send()

    def _send(self) -> None:
        self._sent_s = time.monotonic()
        self._number += 1
        # The worker logs no event of this name. The number differs, since repeated lines count as silence.
        self.stream.send("thinking/alive", sign=self._number)
