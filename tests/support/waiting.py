"""Waiting for a condition, with a deadline; never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
DEADLINE_S = 30.0
_LOOK_EVERY_S = 0.02


def until(condition: Callable[[], T], what: str, *, deadline_s: float = DEADLINE_S) -> T:
    """Looks again and again until the condition holds; fails, saying what was waited for."""
    end_s = time.monotonic() + deadline_s
    while not (found := condition()):
        if time.monotonic() > end_s:
            raise AssertionError(f"waited {deadline_s:.0f} s in vain until {what}")
        time.sleep(_LOOK_EVERY_S)
    return found


async def eventually(condition: Callable[[], object], what: str, *, deadline_s: float = DEADLINE_S) -> object:
    """The same on an event loop; the condition may be async."""
    end_s = time.monotonic() + deadline_s
    while True:
        found = condition()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        if time.monotonic() > end_s:
            raise AssertionError(f"waited {deadline_s:.0f} s in vain until {what}")
        await asyncio.sleep(_LOOK_EVERY_S)
