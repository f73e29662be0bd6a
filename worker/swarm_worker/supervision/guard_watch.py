"""Watch over running guards: a guard that is stopped is continued, and a guard that stays silent is killed.

A session has its worker's user, so it can stop its own guard (SIGSTOP). A stopped guard enforces no fence and obeys no
order.
Invariant: while a session may still run, its guard costs one read of /proc a second and no message. Only when the end
of the session is due does the watch ask for signs of life.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from swarm_worker.guard.procfs import boot_s

INTERVAL_S: Final = 1.0
# A guard that answers no ping for this long, although its session should end, is killed.
SILENCE_S: Final = 2.0
# A guard that is found stopped more often is killed, whether its session should end or not.
MAX_STOPS: Final = 3

_log = structlog.get_logger()


class WatchedGuard(Protocol):
    """A guard, as the watch needs it."""

    pid: int

    def is_stopped(self) -> bool:
        """Returns whether somebody has stopped the guard."""

    def resume(self) -> None:
        """Continues the guard."""

    def ping(self) -> None:
        """Asks for a sign of life."""

    def kill(self) -> None:
        """Kills the guard; its session's processes become orphans."""


class WatchedRun:
    """The watch's record of one running session."""

    def __init__(self, guard: WatchedGuard, session: str, *, grace_s: float, fence_s: float) -> None:
        self.guard = guard
        self.session = session
        # The end of the right to run, in seconds since boot.
        self.fence_s = fence_s
        self._grace_s = grace_s
        # The time by which the session should have ended, with the grace period; None while it may run.
        self.end_due_s: float | None = None
        self.heard_s = 0.0
        self.stops = 0
        self.killed_for = ""

    def expect_end(self, now_s: float, grace_s: float) -> None:
        """Starts to ask for signs of life; a later call can make the grace period shorter, never longer."""
        if self.end_due_s is None:
            self.heard_s = now_s
        due_s = now_s + grace_s
        self.end_due_s = due_s if self.end_due_s is None else min(self.end_due_s, due_s)
        self.check(now_s)

    def check(self, now_s: float) -> None:
        """Continues a stopped guard, asks for a sign of life if the end is due, and kills a guard that gave none."""
        if self.killed_for:
            return
        if self.guard.is_stopped():
            self._on_stopped()
        if self.end_due_s is None and (late_s := boot_s() - self.fence_s) > 0:
            self.heard_s, self.end_due_s = now_s, now_s + max(0.0, self._grace_s - late_s)
        if self.end_due_s is None:
            if self.stops > MAX_STOPS:
                self._kill(f"its guard was stopped {self.stops} times")
            return
        # A guard that nobody was seen to stop may be slow, and gets its grace period.
        silent_since_s = self.heard_s if self.stops else max(self.heard_s, self.end_due_s)
        if now_s > silent_since_s + SILENCE_S:
            self._kill(f"its guard was silent for {now_s - self.heard_s:.0f} s")
        else:
            self.guard.ping()

    def _on_stopped(self) -> None:
        if not self.stops:
            _log.warning(
                "somebody stopped a guard; it is continued", session=self.session, pid=self.guard.pid
            )
        self.stops += 1
        self.guard.resume()

    def _kill(self, why: str) -> None:
        _log.warning("killing a guard and what it leaves", session=self.session, pid=self.guard.pid, why=why)
        self.killed_for = why
        self.guard.resume()  # a stopped process dies by SIGKILL too; a traced one may not
        self.guard.kill()


class GuardWatch:
    """A check of all running guards, and of their fork server, each second as long as there are any."""

    def __init__(self, check_fork_server: Callable[[], object]) -> None:
        self._check_fork_server = check_fork_server
        # A dict, since a set has another order in each process.
        self._runs: dict[WatchedRun, None] = {}
        # Performance: the timer ends by itself when nothing runs, so a short session sets none (docs/performance.md).
        self._scheduled = False

    def add(self, run: WatchedRun) -> None:
        """Watches a guard whose session has started."""
        self._runs[run] = None
        if not self._scheduled:
            self._schedule()

    def remove(self, run: WatchedRun) -> None:
        """Stops watching a guard whose session has ended."""
        self._runs.pop(run, None)

    def _schedule(self) -> None:
        self._scheduled = True
        asyncio.get_running_loop().call_later(INTERVAL_S, self._check_all)

    def _check_all(self) -> None:
        self._scheduled = bool(self._runs)
        if not self._runs:
            return
        self._check_fork_server()
        now_s = asyncio.get_running_loop().time()
        for run in list(self._runs):
            run.check(now_s)
        self._schedule()
