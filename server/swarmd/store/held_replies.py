"""Replies that wait for a standby: with `--ack replicated` a caller hears of its write once a standby has stored it.

Invariant: replies come in the order of the commits. A standby that is away or slow delays them by at most WAIT_S.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from swarmd.store.write_queue import WriteJob

# The longest wait; after it the standby no longer counts until it has caught up.
WAIT_S: Final = 3.0


class _Held(NamedTuple):
    position: int
    group: list[WriteJob]


class HeldReplies:
    """The groups of writes that are durable here and wait for a standby. Runs on the event loop."""

    def __init__(self, deliver: Callable[[list[WriteJob]], None], *, give_up: Callable[[], None]) -> None:
        """`give_up` is called when a group has waited for too long; replies wait no more then."""
        self._deliver = deliver
        self._give_up = give_up
        self._held: deque[_Held] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, group: list[WriteJob], position: int, *, confirmed: int | None) -> None:
        """Delivers the group once `position` is confirmed; at once if `confirmed` is None, for no standby."""
        self._held.append(_Held(position, group))
        self.release(confirmed)

    def release(self, confirmed: int | None) -> None:
        """Delivers the groups up to that position, all of them for None."""
        head = self._held[0] if self._held else None
        while self._held and (confirmed is None or self._held[0].position <= confirmed):
            self._deliver(self._held.popleft().group)
        if self._timer is not None and (not self._held or self._held[0] is not head):
            self._timer.cancel()
            self._timer = None
        if self._held and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WAIT_S, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._give_up()
        self.release(None)
