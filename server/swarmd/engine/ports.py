"""What the engine asks of the outside: time, chance and secrets. Tests bring their own."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Forgets it."""


class Clock(Protocol):
    """Time for decisions (monotonic) and time for people (wall)."""

    def monotonic_s(self) -> float:
        """Seconds that only grow; they stand still while the machine sleeps."""

    def wall_us(self) -> int:
        """Microseconds since 1970, UTC. Read by people only."""

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        """Makes the call on the event loop after the delay."""


class Entropy(Protocol):
    """Where unpredictable values come from."""

    def chance(self) -> float:
        """A number from 0 to 1."""

    def secret(self) -> str:
        """32 hexadecimal digits that nobody can guess."""


class SystemClock:
    """The machine's clocks."""

    def monotonic_s(self) -> float:
        """See Clock."""
        return time.monotonic()

    def wall_us(self) -> int:
        """See Clock."""
        return time.time_ns() // 1_000

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        """See Clock."""
        return asyncio.get_running_loop().call_later(delay_s, call)


class SystemEntropy:
    """The machine's entropy."""

    def chance(self) -> float:
        """See Entropy."""
        return random.random()  # noqa: S311  # it spreads retries; nothing is secured by it

    def secret(self) -> str:
        """See Entropy."""
        return secrets.token_hex(16)
