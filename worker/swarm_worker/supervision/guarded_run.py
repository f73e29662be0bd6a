"""Runs a program under a guard, the worker's side: pipes, limits, orders. Its one rule: no unread pipe.

Nothing is forked here: gRPC does not survive that. Guards come from the nursery.
"""

import asyncio
import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from swarm_worker.domain.model import KillReceipt
from swarm_worker.guard.containment import PIDNS
from swarm_worker.supervision.fence import Fence
from swarm_worker.supervision.guard_client import GuardClient
from swarm_worker.supervision.guard_locks import forget_ended_guard, lock_for_guard
from swarm_worker.supervision.launch import Cause, Launch, OutputSink, RunEnd, RunLimits
from swarm_worker.supervision.orphans import ProcessSupervisor
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.supervision.streams import FileTail, Pipes

# The pipes end with the tree; where a process could not be ended, they are left after this.
PIPES_END_S: Final = 5.0
# How often a guard of which nothing is known is looked at.
LOOK_S: Final = 0.02
# How often a file of progress is looked at.
FEED_S: Final = 0.5


async def run_guarded(
    launch: Launch, *, limits: RunLimits, fence: Fence, stop: Stop, sink: OutputSink
) -> RunEnd:
    """Runs the program to its end, or ends it; nothing of it is left when this returns."""
    if stop.order is not None:
        return RunEnd(Cause.ORDER)
    if fence.left_s == 0:
        return RunEnd(Cause.FENCE)
    guarded = _GuardedRun(sink, limits, fence.hold)
    try:
        await guarded.start(launch, fence_s=fence.until_s)
    except (OSError, ValueError) as error:
        while not forget_ended_guard(launch.lock):  # noqa: ASYNC110  # one that has it still ends
            await asyncio.sleep(LOOK_S)
        return RunEnd(Cause.SPAWN, error=f"can't start {launch.argv[0]}: {getattr(error, 'strerror', error)}")
    fence.add(guarded)
    try:
        with stop.kills(guarded.order):
            return await guarded.ended()
    finally:
        fence.remove(guarded)
        guarded.close()
        forget_ended_guard(launch.lock)  # one that holds on to what can't be killed keeps it


class _GuardedRun:
    """A running guard."""

    _guard: GuardClient

    def __init__(self, sink: OutputSink, limits: RunLimits, hold: ProcessSupervisor) -> None:
        self._sink = sink
        self._limits = limits
        self._hold = hold
        self._cgroup = ""
        # Whether nothing of the session is left to the guard, and it can take the next one.
        self._is_free = False
        self._pipes = Pipes()
        self._outputs: list[asyncio.Future[None]] = []
        self._heard = time.monotonic()
        self._cause: Cause | None = None
        self._killed_at: float | None = None
        self._exit_code: int | None = None
        self._error = self._why = ""
        self._tail: FileTail | None = None
        self._watcher: asyncio.TimerHandle | None = None
        self._ended: asyncio.Future[RunEnd] = asyncio.get_running_loop().create_future()

    async def start(self, launch: Launch, *, fence_s: float) -> None:
        """Starts the guard, which starts the program."""
        lock = lock_for_guard(launch.lock)
        (stdin, feed), (out, stdout), (err, stderr) = os.pipe(), os.pipe(), os.pipe()
        if launch.stdin is None:
            os.close(stdin)
            stdin = os.open(os.devnull, os.O_RDONLY)
        self._tail = FileTail(launch.feed) if launch.feed else None
        self._cgroup = self._hold.cgroup(launch.lock.stem)
        plan = {
            "grace_s": self._limits.grace_s,
            "fence_s": fence_s,
            "level": self._hold.containment.level,
            "cgroup": self._cgroup,
            "cwd": str(launch.cwd),
            "argv": list(launch.argv),
            "env": dict(launch.env),
        }
        fds = (lock, stdin, stdout, stderr)
        try:
            self._guard = await self._hold.guard(plan, fds, self._reported)
        except BaseException:
            for fd in (feed, out, err):
                os.close(fd)
            raise
        finally:
            for fd in fds:
                os.close(fd)
        hears = ((out, self._takes(self._sink.stdout)), (err, self._takes(self._sink.stderr)))
        self._outputs = [self._pipes.listen(fd, take) for fd, take in hears]
        self._pipes.feed(feed, launch.stdin or b"")

    def order(self, grace_s: float) -> None:
        """Ends the program because somebody wants it ended."""
        self._kill(Cause.ORDER, grace_s)

    def fence(self, until_s: float) -> None:
        """Lets it run until then."""
        self._guard.tell(f"fence {until_s}")

    async def ended(self) -> RunEnd:
        """Waits for its end, of which the guard tells, and for what it still had to say."""
        self._watch(time.monotonic() + self._limits.timeout_s)
        follower = None if self._tail is None else asyncio.create_task(self._follow(self._tail))
        try:
            ended = await self._ended
            if ended.cause is Cause.LOST:
                await self._guard.wait()  # only then its orphans are here
                ended = replace(ended, receipt=await self._hold.sweep(self._cgroup))
            with contextlib.suppress(TimeoutError):  # something that holds a pipe could not be ended
                async with asyncio.timeout(PIPES_END_S):
                    for output in self._outputs:
                        await output
        finally:
            for running in (self._watcher, follower):
                if running is not None:
                    running.cancel()
        while self._tail is not None and self._read_on(self._tail):
            pass  # it was written at the very end
        return ended

    def close(self) -> None:
        """Lets go of the guard; it would end its session now if that had not ended."""
        self._pipes.close()
        if self._is_free:
            self._hold.guards.keep(self._guard)
        else:
            self._guard.hang_up()

    def _takes(self, take: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def hear(chunk: bytes) -> None:
            self._heard = time.monotonic()
            take(chunk)

        return hear

    def _reported(self, message: bytes) -> None:
        if not message:
            self._guard_ended()
            return
        report = json.loads(message)
        self._error = report.get("error", self._error)
        if report["event"] == "ended":
            self._exit_code = report["code"]
            # A guard can start processes in one namespace only.
            self._is_free = not report["survivors"] and report["containment"] != PIDNS
            self._ended.set_result(self._end(report))

    def _guard_ended(self) -> None:
        if not self._ended.done():
            why = f"its guard broke: {self._error}" if self._error else "its guard was ended from outside"
            self._ended.set_result(RunEnd(Cause.LOST, self._exit_code, why))

    def _end(self, report: Mapping[str, Any]) -> RunEnd:
        now = time.monotonic()
        receipt = KillReceipt(
            containment=report["containment"],
            processes_found=report["found"],
            terminated=report["terminated"],
            killed=report["killed"],
            survivors=report["survivors"],
            duration_s=report["duration_s"] if self._killed_at is None else now - self._killed_at,
        )
        if self._error:
            return RunEnd(Cause.SPAWN, error=self._error)
        if report["cause"] in (Cause.EXIT, Cause.FENCE):
            return RunEnd(Cause(report["cause"]), self._exit_code, receipt=receipt)
        return RunEnd(self._cause or Cause.ORDER, self._exit_code, self._why, receipt)

    def _watch(self, deadline: float) -> None:
        """Ends it when it has run, or been silent, for too long; looks again when that could be."""
        limits, now = self._limits, time.monotonic()
        stall_s = limits.stall_s * self._sink.stall_factor if limits.stall_s else math.inf
        if now >= deadline:
            self._kill(Cause.TIMEOUT, limits.grace_s)
            return
        if now >= self._heard + stall_s:
            self._kill(Cause.STALL, limits.grace_s, f"silent for {stall_s:g} s")
            return
        # Not longer than the limit: stall_factor can end meanwhile.
        wait_s = min(deadline - now, self._heard + stall_s - now, limits.stall_s or math.inf)
        self._watcher = asyncio.get_running_loop().call_later(wait_s, self._watch, deadline)

    async def _follow(self, tail: FileTail) -> None:
        """Reads what the program reports in its file."""
        while True:
            more = self._read_on(tail)
            await asyncio.sleep(0 if more else FEED_S)

    def _read_on(self, tail: FileTail) -> bool:
        chunk = tail.read()
        if chunk:
            self._heard = time.monotonic()
            self._sink.feed(chunk)
        return bool(chunk)

    def _kill(self, cause: Cause, grace_s: float, why: str = "") -> None:
        if self._cause is None:
            self._cause, self._why = cause, why
        self._killed_at = self._killed_at or time.monotonic()
        if not self._guard.tell(f"kill {grace_s}"):
            self._guard.say_no_more()
