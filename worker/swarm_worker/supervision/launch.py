"""Values of a guarded run: what to start, its limits, how it ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from swarm_worker.domain.model import KillReceipt


class Cause(StrEnum):
    """Why a guarded program ended."""

    EXIT = "exit"  # by itself
    ORDER = "order"
    FENCE = "fence"  # the server was not heard for too long
    TIMEOUT = "timeout"
    STALL = "stall"
    SPAWN = "spawn"  # it never began
    LOST = "lost"  # its guard was ended from outside


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    lock: Path
    # None is no stdin at all.
    stdin: bytes | None = None
    # A file that it may report its progress in.
    feed: Path | None = None


@dataclass(frozen=True, slots=True)
class RunLimits:
    """How long it may run, be silent (0 is for ever), and take to end."""

    timeout_s: float
    stall_s: float
    grace_s: float


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How it ended; `exit_code` is None if no process came to be or nobody saw its end."""

    cause: Cause
    exit_code: int | None = None
    error: str = ""
    receipt: KillReceipt = field(default_factory=KillReceipt)


class OutputSink(Protocol):
    """Takes output as it comes, without waiting."""

    @property
    def stall_factor(self) -> float:
        """How many times the stall limit the program may be silent for now."""

    def stdout(self, chunk: bytes) -> None:
        """A piece of standard output."""

    def stderr(self, chunk: bytes) -> None:
        """A piece of standard error."""

    def feed(self, chunk: bytes) -> None:
        """A piece of the file that it reports its progress in."""
