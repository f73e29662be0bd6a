"""Values of a guarded run: the program, its limits, its end."""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from swarm_worker.domain.model import KillReceipt
from swarm_worker.domain.sandbox import NO_LIMITS, ResourceLimits
from swarm_worker.guard.containers import SessionContainer
from swarm_worker.supervision.hidden_paths import NOTHING_HIDDEN, HiddenPaths

# A sandbox adds this to the number of a signal. The signals are those that a program gets for a fault, and SIGKILL.
SIGNAL_BASE: Final = 128
# The exit codes of a program that SIGTERM ended, and of one that says so itself.
ENDED_BY_SIGTERM: Final = (-signal.SIGTERM, SIGNAL_BASE + signal.SIGTERM)
FATAL_SIGNALS: Final = frozenset((4, 6, 7, 8, 9, 11))


class EndCause(StrEnum):
    """Reasons why a guarded program ended."""

    EXIT = "exit"  # by itself
    ORDER = "order"
    FENCE = "fence"  # the server was silent for too long
    TIMEOUT = "timeout"
    STALL = "stall"
    SPAWN = "spawn"  # the program was not started
    LOST = "lost"  # its guard was ended from outside
    LIMIT = "limit"  # it reached a limit of its control group


@dataclass(frozen=True, slots=True)
class Launch:
    """A program to start."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    lock: Path
    # None gives the program /dev/null.
    stdin: bytes | None = None
    umask: int = 0o022
    # What a session in a mount namespace of its own does not see, and files that it reads all the same.
    hidden: HiddenPaths = NOTHING_HIDDEN
    reads: Sequence[Path] = ()
    # Other programs that it starts, which a sandbox has to show.
    programs: Sequence[str] = ()
    limits: ResourceLimits = NO_LIMITS
    # Whether `argv` starts a sandbox around the program.
    wrapped: bool = False
    # The container that the sandbox is, whose runtime keeps the limits; None for any other.
    container: SessionContainer | None = None


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Limits in seconds: the whole run, the time without output (0: unlimited), and the grace period of an end."""

    timeout_s: float
    stall_s: float
    grace_s: float
    # Returns how long the program has waited for a person until now, which counts for no limit.
    paused_s: Callable[[], float] = float


class RunSigns(NamedTuple):
    """The signs of a program that runs, in seconds from now.

    `quiet_s` is how long it has printed nothing new, None if it prints nothing before its end; `stalls_in_s` is None
    without a limit on that.
    """

    quiet_s: float | None
    times_out_in_s: float
    stalls_in_s: float | None


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The end of a run. `exit_code` is None if no process was started or nobody saw the end of the process."""

    cause: EndCause
    exit_code: int | None = None
    error: str = ""
    receipt: KillReceipt = field(default_factory=KillReceipt)


class OutputSink(Protocol):
    """A receiver of output; its methods must not wait."""

    @property
    def stall_factor(self) -> float:
        """The number by which the stall limit is multiplied at present."""

    def stdout(self, chunk: bytes) -> None:
        """Receives a piece of standard output."""

    def stderr(self, chunk: bytes) -> None:
        """Receives a piece of standard error."""


class ProgressSink(Protocol):
    """A receiver of what a program and its children write to files while they run; its methods must not wait."""

    @property
    def progress_files(self) -> Sequence[Path]:
        """The files, as far as they are known by now; they need not exist."""

    def progress(self, chunk: bytes, file: Path) -> None:
        """Receives a piece of one of the files."""


def own_code(code: int | None) -> int | None:
    """Returns the exit code of the program in a sandbox, which reports the death by a signal as a shell does."""
    number = (code or 0) - SIGNAL_BASE
    return -number if number in FATAL_SIGNALS else code


def attributed(ended: RunEnd, *, worker_signalled: bool) -> RunEnd:
    """Returns the end; that by the signal which ended the worker too is one by an order.

    Slurm, systemd and others send SIGTERM to a worker and to all below it at once.
    """
    by_signal = ended.cause is EndCause.EXIT and ended.exit_code in ENDED_BY_SIGTERM
    return replace(ended, cause=EndCause.ORDER) if by_signal and worker_signalled else ended
