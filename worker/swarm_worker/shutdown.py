"""A worker's way out, as a small state machine: drain, stop, force, leave.

Invariant: the phase only moves forward, and a worker that drains or stops claims nothing more.
"""

import asyncio
from collections.abc import Callable
from enum import IntEnum
from typing import Final

import structlog

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarm_worker.config import WorkerConfig
from swarm_worker.domain.types import StopOrder
from swarm_worker.execution.slots import Slots
from swarm_worker.rpc.leases import Leases

# How long a stopping worker waits until the server has answered its outcomes. They stay on disk in any case.
REPORT_S: Final = 10.0

_log = structlog.get_logger()


class Phase(IntEnum):
    """How far the worker is on its way out."""

    ACTIVE = 0
    DRAINING = 1  # it finishes the tasks that run
    STOPPING = 2  # it ends the sessions, with the grace period
    FORCING = 3  # it ends the sessions at once
    LEAVING = 4  # it waits for nothing more


class Shutdown:
    """The phases of one worker's end; `left` is done when the worker may leave.

    `stop_claiming` is called when the first phase begins: it asks the server for no more claims.
    """

    def __init__(
        self, config: WorkerConfig, slots: Slots, leases: Leases, *, stop_claiming: Callable[[], None]
    ) -> None:
        self.phase = Phase.ACTIVE
        # Whether the server has registered the worker.
        self.registered = False
        # Whether the worker leaves by itself as soon as it holds no lease: the swarm has no work left for it.
        self.leave_when_idle = False
        self.left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._slots = slots
        self._leases = leases
        self._stop_claiming = stop_claiming
        self._stopping: asyncio.Task[None] | None = None
        self._config = config
        self._idle_timer: asyncio.TimerHandle | None = None
        self._deadline_timer: asyncio.TimerHandle | None = None

    @property
    def active(self) -> bool:
        """True as long as the worker takes claims."""
        return self.phase is Phase.ACTIVE

    def on_sigterm(self) -> None:
        """Drains at the first SIGTERM, stops at the second."""
        self._slots.note_signal()
        if self.active:
            _log.info(
                "draining: accepting no new tasks, running tasks will finish; send SIGTERM again to stop them"
            )
            self.drain()
            if limit_s := self._config.drain_deadline:
                self._deadline_timer = asyncio.get_running_loop().call_later(limit_s, self._on_deadline)
        else:
            self.on_sigint()

    def on_sigint(self) -> None:
        """Ends the sessions and reports their outcomes; each further signal shortens the wait."""
        self._slots.note_signal()
        self._end_sessions("the worker received a signal to stop")

    def _on_deadline(self) -> None:
        if self.phase is Phase.DRAINING and self._leases:
            self._end_sessions(f"the drain took {self._config.drain_deadline:g} s")

    def _end_sessions(self, cause: str) -> None:
        self.phase = Phase(min(Phase.LEAVING, max(Phase.STOPPING, self.phase + 1)))
        _log.info("ending the sessions", phase=self.phase.name.lower(), cause=cause)
        self._stop_claiming()
        graceful = self.phase is Phase.STOPPING
        self._slots.stop(StopOrder(cause, graceful=graceful, interrupts=True))
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop())
        if self.phase is Phase.LEAVING:
            self._leave()

    def drain(self) -> None:
        """Takes no new claim, and leaves when the running tasks are finished and answered."""
        if not self.active:
            return
        self.phase = Phase.DRAINING
        self._stop_claiming()
        self._slots.decline()
        self.leave_if_idle()

    def on_lease_ended(self) -> None:
        """Measures again from now how long the worker is idle, and leaves if nothing is left to wait for."""
        self.measure_idleness()
        self.leave_if_idle()

    def measure_idleness(self) -> None:
        """Begins to measure how long the worker holds no lease, if `--exit-when-idle` limits that."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if limit_s := self._config.exit_when_idle:
            self._idle_timer = asyncio.get_running_loop().call_later(limit_s, self._on_idle)

    def _on_idle(self) -> None:
        if (
            not self.active or self._leases
        ):  # the end of a lease that is held now starts the measurement again
            return
        waited = f"{self._config.exit_when_idle:g} s"
        if self.registered:
            _log.info("leaving: there was no task", waited=waited)
            self.drain()
        else:
            text = f"{self._config.server} has not answered for {waited}"
            self.fail(ProgramExit(ExitCode.UNREACHABLE, text, hint="start swarmd, or give another --server"))

    def leave_if_idle(self) -> None:
        """Leaves if the worker is on its way out, or has no work left, and holds no lease."""
        if (not self.active or self.leave_when_idle) and not self._leases:
            self._leave()

    def fail(self, error: BaseException) -> None:
        """Ends the worker with an error; `left` raises it."""
        if not self.left.done():
            self.left.set_exception(error)

    async def stop_and_keep_outcomes(self) -> None:
        """Ends the sessions of a worker that the server refuses; their outcomes stay on disk."""
        self.phase = Phase.STOPPING
        self._slots.stop(StopOrder("the server does not accept this worker", graceful=True))
        await self._slots.all_ended()

    async def close(self) -> None:
        """Cancels a stop that is still under way, and the timers."""
        for timer in (self._idle_timer, self._deadline_timer):
            if timer is not None:
                timer.cancel()
        if self._stopping is not None:
            self._stopping.cancel()
            await asyncio.gather(self._stopping, return_exceptions=True)

    async def _stop(self) -> None:
        await self._slots.all_ended()
        await self._slots.all_answered(REPORT_S)
        if self._leases:
            _log.warning(
                "leaving with outcomes that the server has not answered; the next start sends them",
                outcomes=len(self._leases),
            )
        self._leave()

    def _leave(self) -> None:
        if not self.left.done():
            self.left.set_result(None)
