"""Runs a program under a guard, the worker's side: pipes, limits, orders. Its one rule: no unread pipe.

Nothing is spawned here but guards, from the event loop's own thread and without a hook before the exec:
gRPC does not survive a fork of its process.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol

from swarm_worker.fence import Fence
from swarm_worker.model import KillReceipt
from swarm_worker.state import forget_ended_guard, lock_for_guard
from swarm_worker.stop import Stop

CONTAINMENT: Final = "subreaper"
GUARD: Final = Path(__file__).with_name("guard.py")
CHUNK_BYTES: Final = 64 * 1024
# The pipes end with the tree; where a process could not be ended, they are left after this.
PIPES_END_S: Final = 5.0


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
    stdin: bytes = b""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long it may run, be silent (0 is for ever), and take to end."""

    timeout_s: float
    stall_s: float
    grace_s: float


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended; `exit_code` is None if no process came to be or nobody saw its end."""

    cause: Cause
    exit_code: int | None = None
    error: str = ""
    receipt: KillReceipt = field(default_factory=KillReceipt)


class Sink(Protocol):
    """Takes output as it comes, without waiting."""

    def stdout(self, chunk: bytes) -> None:
        """A piece of standard output."""

    def stderr(self, chunk: bytes) -> None:
        """A piece of standard error."""


async def run_guarded(launch: Launch, *, limits: Limits, fence: Fence, stop: Stop, sink: Sink) -> Ended:
    """Runs the program to its end, or ends it; nothing of it is left when this returns."""
    if stop.order is not None:
        return Ended(Cause.ORDER)
    if fence.left_s == 0:
        return Ended(Cause.FENCE)
    guarded = _Guarded(sink, limits)
    try:
        await guarded.start(launch, fence_s=fence.left_s)
    except (OSError, ValueError) as error:
        forget_ended_guard(launch.lock)
        return Ended(Cause.SPAWN, error=f"can't start {launch.argv[0]}: {getattr(error, 'strerror', error)}")
    fence.add(guarded)
    try:
        with stop.kills(guarded.order):
            return await guarded.ended()
    finally:
        fence.remove(guarded)
        guarded.close()
        forget_ended_guard(launch.lock)  # one that holds on to what can't be killed keeps it


class _Pipe(asyncio.Protocol):
    """One end of a pipe; what comes is handed on at once, so that nothing piles up."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._take = take

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


class _Guarded:
    """A running guard."""

    def __init__(self, sink: Sink, limits: Limits) -> None:
        self._sink = sink
        self._limits = limits
        self._control = -1
        self._transports: list[asyncio.BaseTransport] = []
        self._outputs: list[asyncio.Future[None]] = []
        self._heard = time.monotonic()
        self._cause: Cause | None = None
        self._killed_at: float | None = None
        self._exit_code: int | None = None
        self._error = ""
        self._report = b""
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()

    async def start(self, launch: Launch, *, fence_s: float) -> None:
        """Starts the guard, which starts the program."""
        lock = lock_for_guard(launch.lock)
        (heard, self._control), (report, told) = os.pipe(), os.pipe()
        (stdin, feed), (out, stdout), (err, stderr) = os.pipe(), os.pipe(), os.pipe()
        options = (heard, told, lock, self._limits.grace_s, fence_s, launch.cwd)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(GUARD), *map(str, options), *launch.argv),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=launch.env,
                pass_fds=(heard, told, lock),
            )
        except BaseException:
            for fd in (self._control, report, feed, out, err):
                os.close(fd)
            raise
        finally:
            for fd in (heard, told, lock, stdin, stdout, stderr):
                os.close(fd)
        os.set_blocking(self._control, False)
        self._outputs = [await self._listen(out, self._stdout), await self._listen(err, self._stderr)]
        (await self._listen(report, self._reported)).add_done_callback(self._guard_ended)
        await self._feed(feed, launch.stdin)

    def order(self, grace_s: float) -> None:
        """Ends the program because somebody wants it ended."""
        self._kill(Cause.ORDER, grace_s)

    def fence(self, seconds: float) -> None:
        """Lets it run for that long from now."""
        self._tell(f"fence {seconds}")

    async def ended(self) -> Ended:
        """Waits for its end, of which the guard tells, and for what it still had to say."""
        watch = asyncio.create_task(self._watch())
        try:
            ended = await self._ended
            with contextlib.suppress(TimeoutError):  # something that holds a pipe could not be ended
                async with asyncio.timeout(PIPES_END_S):
                    await asyncio.gather(*self._outputs, self._process.wait())
        finally:
            watch.cancel()
        return ended

    def close(self) -> None:
        """Lets go of the guard; it would end its session now if that had not ended."""
        os.close(self._control)
        for transport in self._transports:
            transport.close()

    async def _listen(self, fd: int, take: Callable[[bytes], None]) -> asyncio.Future[None]:
        transport, pipe = await asyncio.get_running_loop().connect_read_pipe(
            lambda: _Pipe(take), os.fdopen(fd, "rb", buffering=0)
        )
        self._transports.append(transport)
        return pipe.ended

    async def _feed(self, fd: int, data: bytes) -> None:
        """Writes what the program is given to read; whether it reads it is its own affair."""
        transport, _ = await asyncio.get_running_loop().connect_write_pipe(
            asyncio.BaseProtocol, os.fdopen(fd, "wb", buffering=0)
        )
        transport.write(data)
        transport.close()
        self._transports.append(transport)

    def _stdout(self, chunk: bytes) -> None:
        self._heard = time.monotonic()
        self._sink.stdout(chunk)

    def _stderr(self, chunk: bytes) -> None:
        self._heard = time.monotonic()
        self._sink.stderr(chunk)

    def _reported(self, chunk: bytes) -> None:
        *lines, self._report = (self._report + chunk).split(b"\n")
        for report in map(json.loads, lines):
            self._exit_code = report.get("code", self._exit_code)
            self._error = report.get("error", self._error)
            if report["event"] == "ended":
                self._ended.set_result(self._end(report))

    def _guard_ended(self, _pipe: asyncio.Future[None]) -> None:
        if not self._ended.done():
            self._ended.set_result(Ended(Cause.LOST, self._exit_code, "its guard was ended from outside"))

    def _end(self, report: Mapping[str, Any]) -> Ended:
        now = time.monotonic()
        receipt = KillReceipt(
            containment=CONTAINMENT,
            processes_found=report["found"],
            terminated=report["terminated"],
            killed=report["killed"],
            survivors=report["survivors"],
            duration_s=report["duration_s"] if self._killed_at is None else now - self._killed_at,
        )
        if self._error:
            return Ended(Cause.SPAWN, error=self._error)
        if report["cause"] in (Cause.EXIT, Cause.FENCE):
            return Ended(Cause(report["cause"]), self._exit_code, receipt=receipt)
        return Ended(self._cause or Cause.ORDER, self._exit_code, receipt=receipt)

    async def _watch(self) -> None:
        """Ends it when it has run, or been silent, for too long."""
        limits = self._limits
        deadline = time.monotonic() + limits.timeout_s
        while True:
            now = time.monotonic()
            silent_until = self._heard + limits.stall_s if limits.stall_s else deadline
            if now >= deadline:
                return self._kill(Cause.TIMEOUT, limits.grace_s)
            if now >= silent_until:
                return self._kill(Cause.STALL, limits.grace_s)
            await asyncio.sleep(min(deadline, silent_until) - now)

    def _kill(self, cause: Cause, grace_s: float) -> None:
        self._cause = self._cause or cause
        self._killed_at = self._killed_at or time.monotonic()
        self._tell(f"kill {grace_s}")

    def _tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError, BlockingIOError):  # it has ended, or is frozen
            os.write(self._control, line.encode() + b"\n")
