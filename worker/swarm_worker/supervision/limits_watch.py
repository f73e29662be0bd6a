"""Timer for the limits of one run: its whole time, and its time without output."""

import asyncio
import math
import time
from collections.abc import Callable

from swarm_worker.supervision.model import EndCause, OutputSink, RunLimits, RunSigns

# Called with the cause and, for a stall, with the text of the error.
LimitHandler = Callable[[EndCause, str], None]


class LimitsWatch:
    """A timer that reports, once, that a run takes too long or is silent for too long."""

    def __init__(self, limits: RunLimits, sink: OutputSink, on_exceeded: LimitHandler) -> None:
        self._limits = limits
        self._sink = sink
        self._on_exceeded = on_exceeded
        self._last_output = self._now()
        self._deadline = self._last_output + limits.timeout_s
        self._repeats = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Starts the time of the whole run."""
        self._deadline = self._now() + self._limits.timeout_s
        self._check(self._deadline)

    def note_output(self, *, is_new: bool = True) -> None:
        """Restarts the time without output, unless the output only repeats what was printed before."""
        self._repeats = not is_new
        if is_new:
            self._last_output = self._now()

    def signs(self) -> RunSigns:
        """Returns how the run stands with its limits."""
        now, factor = self._now(), self._sink.stall_factor
        quiet_s, stall_s = now - self._last_output, self._limits.stall_s
        has_limit = stall_s > 0 and math.isfinite(factor)
        return RunSigns(
            quiet_s if math.isfinite(factor) else None,
            max(0.0, self._deadline - now),
            max(0.0, stall_s * factor - quiet_s) if has_limit else None,
        )

    def cancel(self) -> None:
        """Stops the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _now(self) -> float:
        """Returns the time, which stands still while the program waits for a person."""
        return time.monotonic() - self._limits.paused_s()

    def _check(self, deadline: float) -> None:
        """Reports a limit that is exceeded, or schedules the next check for the earliest time when one can be."""
        limits, now = self._limits, self._now()
        stall_s = limits.stall_s * self._sink.stall_factor if limits.stall_s else math.inf
        if now >= deadline:
            self._on_exceeded(EndCause.TIMEOUT, "")
            return
        if now >= self._last_output + stall_s:
            silent = "repeating itself, with nothing new" if self._repeats else "silent"
            self._on_exceeded(EndCause.STALL, f"{silent} for {stall_s:g} s")
            return
        # Not later than the plain limit, since the stall factor can shrink meanwhile.
        wait_s = min(deadline - now, self._last_output + stall_s - now, limits.stall_s or math.inf)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._check, deadline)
