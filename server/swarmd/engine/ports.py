"""The ports of the engine: time, chance, secrets and measuring points. Tests pass fakes."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from swarmd.engine.observer import Observer


class Timer(Protocol):
    """A scheduled call."""

    def cancel(self) -> None:
        """Cancels the call."""


class Clock(Protocol):
    """Monotonic time for decisions, and wall time for people and the budget of a day."""

    def monotonic_s(self) -> float:
        """Returns seconds that never go back; they stand still while the machine sleeps."""

    def wall_us(self) -> int:
        """Returns microseconds since 1970, UTC. For display, and for the budget of a day."""

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        """Schedules the call on the event loop."""


class Entropy(Protocol):
    """A source of unpredictable values."""

    def chance(self) -> float:
        """Returns a number from 0 to 1."""

    def secret(self) -> str:
        """Returns 32 hexadecimal digits that nobody can guess."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports that the parts of one engine share."""

    clock: Clock
    entropy: Entropy
    observer: Observer


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
        return random.random()  # noqa: S311  # it spreads retries and secures nothing

    def secret(self) -> str:
        """See Entropy."""
        return secrets.token_hex(16)
