"""Run of one program under a guard, the worker's side: pipes, limits, orders.

Invariants: no pipe stays unread, and nothing is forked here, since gRPC does not survive a fork.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from swarm_worker.domain.model import KillReceipt
from swarm_worker.domain.sandbox import Resource
from swarm_worker.guard.containment import PIDNS, SUBREAPER
from swarm_worker.guard.guard_tree import end_guard
from swarm_worker.guard.procfs import stat, unless_blind
from swarm_worker.guard.protocol import (
    ENDED,
    GuardPlan,
    GuardReport,
    fence_order,
    kill_order,
    parse_report,
)
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guard_client import GuardClient
from swarm_worker.supervision.guard_locks import GuardLock
from swarm_worker.supervision.guard_watch import WatchedRun
from swarm_worker.supervision.kill_receipt import KillReceiptBuilder
from swarm_worker.supervision.limits_watch import LimitsWatch
from swarm_worker.supervision.model import (
    EndCause,
    Launch,
    OutputSink,
    ProgressSink,
    RunEnd,
    RunLimits,
    RunSigns,
    attributed,
    own_code,
)
from swarm_worker.supervision.pipes import Pipes
from swarm_worker.supervision.progress_feed import ProgressFeed
from swarm_worker.supervision.repeat_filter import RepeatFilter
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.supervision.supervisor import NO_TRACES, ProcessSupervisor

# How long the worker itself tries to kill what a guard has reported as survivors.
END_SURVIVORS_S: Final = 2.0
# The pipes end with the process tree; pipes that a survivor keeps open are abandoned after this.
PIPES_END_S: Final = 5.0


async def run_guarded(
    launch: Launch,
    *,
    limits: RunLimits,
    fence: Fence,
    stop: Stop,
    sink: OutputSink,
    progress: ProgressSink | None = None,
) -> RunEnd:
    """Runs the program to its end, or ends it. Nothing of the program is left, except reported survivors.

    What is written to files of `progress` counts as output.
    """
    if stop.order is not None:
        return RunEnd(EndCause.ORDER)
    if fence.left_s == 0:
        return RunEnd(EndCause.FENCE)
    run = GuardedRun(sink, limits, fence.supervisor, progress)
    with GuardLock(launch.lock) as lock:
        try:
            await run.start(launch, lock, fence_s=fence.until_s)
        except (OSError, ValueError) as error:
            await lock.wait_free()  # a guard that got the lock still ends
            reason = getattr(error, "strerror", None) or error
            return RunEnd(EndCause.SPAWN, error=f"can't start {launch.argv[0]}: {reason}")
        fence.add(run)
        try:
            with stop.on_order(run.order, run.signs):
                return attributed(await run.wait(), worker_signalled=stop.worker_signalled)
        except OSError as error:
            return run.unproven_end(error)
        finally:
            fence.remove(run)
            run.close()


class GuardedRun:
    """A program that runs under a guard."""

    _guard: GuardClient
    _watched: WatchedRun
    _launch: Launch

    def __init__(
        self,
        sink: OutputSink,
        limits: RunLimits,
        supervisor: ProcessSupervisor,
        progress: ProgressSink | None = None,
    ) -> None:
        self._sink = sink
        self._limits = limits
        self._supervisor = supervisor
        self._watch = LimitsWatch(limits, sink, self._on_limit)
        self._receipt = KillReceiptBuilder()
        self._traces = NO_TRACES
        # Whether the guard reported that nothing of the session is left, or ended before it reported that.
        self._guard_is_free = self._guard_is_lost = False
        self._pipes = Pipes()
        self._outputs: list[asyncio.Future[None]] = []
        # Why the worker ended the program, if it did, and the text of the error.
        self._cause: EndCause | None = None
        self._why = ""
        self._exit_code: int | None = None
        self._guard_error = ""
        self._progress = ProgressFeed(progress, self._watch.note_output) if progress else None
        self._ended: asyncio.Future[RunEnd] = asyncio.get_running_loop().create_future()

    async def start(self, launch: Launch, lock: GuardLock, *, fence_s: float) -> None:
        """Gives the program to a guard, which starts it.

        Raises:
            OSError, ValueError: no guard could be had, or the launch is not valid.
        """
        self._launch = launch
        self._traces = self._supervisor.traces_of(launch)
        lock_fd = lock.acquire()
        (stdin, feed), (out, stdout), (err, stderr) = os.pipe(), os.pipe(), os.pipe()
        if launch.stdin is None:
            os.close(stdin)
            stdin = os.open(os.devnull, os.O_RDONLY)
        try:
            fds = (lock_fd, stdin, stdout, stderr)
            self._guard = await self._supervisor.start_session(
                self._guard_plan(launch, fence_s), fds, self._on_report
            )
        except BaseException:
            for fd in (feed, out, err):
                os.close(fd)
            raise
        finally:
            lock.close()
            for fd in (stdin, stdout, stderr):
                os.close(fd)
        handlers = ((out, self._sink.stdout), (err, self._sink.stderr))
        self._outputs = [self._pipes.read(fd, self._noting_output(handler)) for fd, handler in handlers]
        self._pipes.write(feed, launch.stdin or b"")
        self._watched = WatchedRun(
            self._guard, launch.lock.stem, grace_s=self._limits.grace_s, fence_s=fence_s
        )
        self._supervisor.guards.watch.add(self._watched)

    def _guard_plan(self, launch: Launch, fence_s: float) -> GuardPlan:
        level = self._supervisor.containment.level
        return GuardPlan(
            grace_s=self._limits.grace_s,
            fence_s=fence_s,
            # A sandbox brings its own PID namespace, and the /proc of another one would be in its way.
            level=SUBREAPER if launch.wrapped and level == PIDNS else level,
            cgroup=self._traces.cgroup,
            cwd=str(launch.cwd),
            argv=list(launch.argv),
            env=dict(launch.env),
            umask=launch.umask,
            hidden=[str(path) for path in (*launch.hidden.folders, *launch.hidden.files)],
            kept=[str(path) for path in (*launch.hidden.kept, *launch.reads)],
            groups=[tuple(group) for group in self._traces.groups],
            wrapped=launch.wrapped,
            container=() if launch.container is None else tuple(launch.container),
        )

    def order(self, grace_s: float) -> None:
        """Ends the program by an order of the server or the worker."""
        self._kill(EndCause.ORDER, grace_s)

    def set_fence(self, until_s: float) -> None:
        """Lets the program run until then, in seconds since boot."""
        self._watched.fence_s = until_s
        self._guard.send(fence_order(until_s))

    async def wait(self) -> RunEnd:
        """Waits for the program's end, which the guard reports, and for the rest of the output."""
        self._watch.start()
        follower = None if self._progress is None else asyncio.create_task(self._progress.follow())
        try:
            ended = await self._ended
            if self._guard_is_lost:
                await self._guard.wait()  # only then are its orphans this process's children
                receipt = self._receipt.of_orphans(await self._supervisor.kill_orphans(self._traces))
                ended = replace(ended, receipt=receipt)
            elif ended.receipt.survivors:
                ended = replace(ended, receipt=await self._end_survivors(ended.receipt))
            self._pipes.finish()
            with contextlib.suppress(TimeoutError):  # a survivor keeps a pipe open
                async with asyncio.timeout(PIPES_END_S):
                    for output in self._outputs:
                        await output
        finally:
            self._watch.cancel()
            if follower is not None:
                follower.cancel()
        if self._progress is not None:
            await self._progress.read_rest()
        return ended

    async def _end_survivors(self, receipt: KillReceipt) -> KillReceipt:
        """Kills what the guard could not kill, if the guard itself was hindered."""
        found = unless_blind(partial(stat, self._guard.pid))
        if found is None:
            return receipt
        end = partial(end_guard, found.process, timeout_s=END_SURVIVORS_S)
        survivors = len(await asyncio.get_running_loop().run_in_executor(None, end))
        if not survivors and not await self._supervisor.remove_container(self._traces):
            survivors = 1
        ended = max(0, receipt.survivors - survivors)
        return replace(receipt, killed=receipt.killed + ended, survivors=survivors)

    def unproven_end(self, error: OSError) -> RunEnd:
        """Returns the end of a run that the worker could not follow; without its guard's word it counts as alive."""
        if self._ended.done() and not self._guard_is_lost:
            return self._ended.result()
        receipt = KillReceipt(self._supervisor.containment.level, 0, 0, 0, 1, 0.0)
        cause = self._cause or EndCause.LOST
        return RunEnd(cause, self._exit_code, f"its end is not proven: {error}", receipt)

    def close(self) -> None:
        """Releases the guard. A guard whose session has not ended ends the session now."""
        self._supervisor.guards.watch.remove(self._watched)
        self._pipes.close()
        if self._guard_is_free:
            self._supervisor.guards.release(self._guard)
        else:
            self._guard.close()

    def _noting_output(self, handler: Callable[[bytes], None]) -> Callable[[bytes], None]:
        repeats = RepeatFilter()

        def on_chunk(chunk: bytes) -> None:
            self._watch.note_output(is_new=repeats.is_new(chunk))
            handler(chunk)

        return on_chunk

    def signs(self) -> RunSigns:
        """Returns how the program stands with its limits."""
        return self._watch.signs()

    def _on_report(self, packet: bytes) -> None:
        if not packet:
            self._on_guard_end()
            return
        self._watched.heard_s = asyncio.get_running_loop().time()
        report = parse_report(packet)
        self._guard_error = report.error or self._guard_error
        if report.event == ENDED:
            self._exit_code = own_code(report.code) if self._launch.wrapped else report.code
            # A guard can start processes in one namespace only.
            self._guard_is_free = not report.counts.survivors and report.containment != PIDNS
            self._ended.set_result(self._run_end(report))

    def _on_guard_end(self) -> None:
        if self._ended.done():
            return
        self._guard_is_lost = True
        if self._cause is not None:
            self._ended.set_result(RunEnd(self._cause, None, self._why))
        elif now_s() > self._watched.fence_s:
            self._ended.set_result(RunEnd(EndCause.FENCE))
        else:
            error = self._watched.killed_for or "its guard was ended from outside"
            if self._guard_error:
                error = f"its guard broke: {self._guard_error}"
            self._ended.set_result(RunEnd(EndCause.LOST, self._exit_code, error))

    def _run_end(self, report: GuardReport) -> RunEnd:
        if self._guard_error:
            return RunEnd(EndCause.SPAWN, error=self._guard_error)
        receipt = self._receipt.build(report)
        if report.limits and self._cause is None:
            reached = [self._launch.limits.described(Resource(name)) for name in report.limits.split()]
            return RunEnd(EndCause.LIMIT, self._exit_code, " and ".join(reached), receipt)
        if report.cause in (EndCause.EXIT, EndCause.FENCE):
            return RunEnd(EndCause(report.cause), self._exit_code, receipt=receipt)
        return RunEnd(self._cause or EndCause.ORDER, self._exit_code, self._why, receipt)

    def _on_limit(self, cause: EndCause, why: str) -> None:
        self._kill(cause, self._limits.grace_s, why)

    def _kill(self, cause: EndCause, grace_s: float, why: str = "") -> None:
        if self._cause is None:
            self._cause, self._why = cause, why
        self._receipt.start_clock()
        if not self._guard.send(kill_order(grace_s)):
            self._guard.shutdown_write()
        self._watched.expect_end(asyncio.get_running_loop().time(), grace_s)
