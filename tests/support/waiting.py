"""Waits for conditions, with a deadline; a test never waits for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
DEADLINE_S = 30.0
_POLL_S = 0.02


def until(condition: Callable[[], T], what: str, *, deadline_s: float = DEADLINE_S) -> T:
    """Polls until the condition holds and returns its value; fails with `what` after the deadline."""
    end_s = (asked_s := time.monotonic()) + deadline_s
    while not (found := condition()):
        if (now_s := time.monotonic()) > end_s:
            raise AssertionError(f"waited {deadline_s:.0f} s in vain until {what}")
        # A condition that runs a program may not take the processor from what it waits for.
        time.sleep(max(_POLL_S, now_s - asked_s))
        asked_s = time.monotonic()
    return found


async def eventually(condition: Callable[[], object], what: str, *, deadline_s: float = DEADLINE_S) -> object:
    """Polls on the event loop until the condition, which may be async, holds; fails with `what` after the deadline."""
    end_s = time.monotonic() + deadline_s
    while True:
        found = condition()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        if time.monotonic() > end_s:
            raise AssertionError(f"waited {deadline_s:.0f} s in vain until {what}")
        await asyncio.sleep(_POLL_S)
