"""The worker's life: it registers, works, drains or stops, and leaves. It builds what it consists of."""

import asyncio
import gc
import itertools
import os
import signal
import socket
import sys
import uuid
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from amplifier_swarm.channel import Endpoint
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.config import PROGRAM, WorkerConfig
from swarm_worker.domain.types import StopOrder
from swarm_worker.execution.slots import Slots
from swarm_worker.execution.start_throttle import StartThrottle
from swarm_worker.rpc.claim_stream import ClaimStream
from swarm_worker.rpc.connection import ServerConnection, connected
from swarm_worker.rpc.heartbeat import INTERVAL_S, Heartbeat
from swarm_worker.rpc.leases import Leases
from swarm_worker.rpc.orders import seconds
from swarm_worker.rpc.reporter import Reporter
from swarm_worker.rpc.retry import OutageLog
from swarm_worker.startup import WorkerContext
from swarm_worker.storage.files import machine_folder
from swarm_worker.storage.outbox import Outbox
from swarm_worker.supervision.fence import Fence
from swarm_worker.supervision.host_watch import HostWatch
from swarm_worker.supervision.orphans import ProcessSupervisor, choose_containment

if TYPE_CHECKING:
    from swarm_worker.execution.factory import AttemptFactory

# How long a worker that was told to stop waits for the server to take its outcomes; they keep on disk.
REPORT_S: Final = 10.0
# For a server that does not say it.
STOP_AFTER_S: Final = 1_500.0

_log = structlog.get_logger()


class Phase(IntEnum):
    """How far the worker is on its way out."""

    ACTIVE = 0
    DRAINING = 1  # it finishes what it runs
    STOPPING = 2  # it ends what it runs, with the grace period
    FORCING = 3  # without it
    LEAVING = 4  # it waits for nothing any more


class Worker:
    """One worker process."""

    def __init__(
        self,
        config: WorkerConfig,
        setup: WorkerContext,
        stubs: ServerConnection,
        *,
        ready: Callable[[], None],
    ) -> None:
        self._config = config
        self._setup = setup
        self._ready = ready
        self._incarnation = uuid.uuid4().hex
        self._openings = itertools.count(setup.folder.openings + 1)
        self._phase = Phase.ACTIVE
        self._done = False
        self._swarm_id = ""
        self._opened = asyncio.Event()
        self._factory: AttemptFactory | None = None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopper: asyncio.Task[None] | None = None
        link = OutageLog(config.server)
        name = setup.folder.name
        self._hold = ProcessSupervisor(choose_containment(config.containment), instance=setup.folder.instance)
        self._fence = Fence(self._hold)
        self._watch = HostWatch((setup.folder.path.parent, setup.folder.path), self)
        self._starts = StartThrottle(machine_folder(os.environ) / "starts")
        self._leases = Leases()
        self._reporter = Reporter(name, stubs, link=link)
        self._slots = Slots(
            config.slots,
            leases=self._leases,
            outbox=Outbox(setup.folder.outbox),
            reporter=self._reporter,
            attempts=self._attempts,
            grace_s=config.kill_grace,
            freed=self._leave_if_over,
        )
        self._heartbeat = Heartbeat(
            name,
            self._incarnation,
            stubs,
            leases=self._leases,
            fence=self._fence,
            link=link,
            heard=self._heard,
        )
        self._stream = ClaimStream(stubs, request=self._request, listener=self, link=link)

    async def run(self) -> None:
        """Works until it is told to leave; raises Exit when the server will never have it."""
        await self._hold.adopt()
        self._slots.resume()
        self._watch.look()
        loops = [
            asyncio.create_task(loop)
            for loop in (
                self._watch.run(),
                self._stream.run(),
                self._beat(),
                self._reporter.records.run(),
                self._reporter.progress.run(),
                self._reporter.outcomes.run(),
            )
        ]
        for task in loops:
            task.add_done_callback(self._loop_ended)
        try:
            await self._over
            self._stream.stay_closed()
            if self._opened.is_set() and not self._leases:
                await self._heartbeat.leave()
        except ProgramExit:
            await self._abandon_ship()
            raise
        finally:
            await self._close(loops)

    def terminate(self) -> None:
        """SIGTERM: drain first, stop when it comes again."""
        if self._phase is Phase.ACTIVE:
            _log.info("draining: no new claim, what runs is finished; once more ends it")
            self.drain()
        else:
            self.interrupt()

    def interrupt(self) -> None:
        """SIGINT: end the sessions and report; each further one waits for less."""
        self._phase = Phase(min(Phase.LEAVING, max(Phase.STOPPING, self._phase + 1)))
        _log.info("ending the sessions", phase=self._phase.name.lower())
        self._go_quiet()
        self._slots.stop(StopOrder("the worker was told to end", graceful=self._phase is Phase.STOPPING))
        if self._stopper is None:
            self._stopper = asyncio.create_task(self._stop())
        if self._phase is Phase.LEAVING:
            self._leave()

    def drain(self) -> None:
        """No new claim; leaves when what runs has been finished and answered."""
        if self._phase is not Phase.ACTIVE:
            return
        self._phase = Phase.DRAINING
        self._go_quiet()
        self._slots.decline()
        self._leave_if_over()

    def opened(self, opened: wire.Opened, *, since: float) -> None:
        """Hears that it is registered."""
        self._fence.begin(stop_after_s=seconds(opened.stop_after) or STOP_AFTER_S, since=since)
        self._heartbeat.interval_s = seconds(opened.heartbeat_interval) or INTERVAL_S
        self._swarm_id = opened.swarm_id
        if not self._opened.is_set():
            _log.info("registered", worker=self._setup.folder.name, server_version=opened.server_version)
            self._opened.set()
            self._ready()
        self._leases.changed.set()  # a server that was away should hear at once what is held

    def received(self, response: wire.ClaimTaskResponse) -> None:
        """Hears the stream."""
        if response.claims:
            self._watch.look()
            accept = self._phase is Phase.ACTIVE and not self._watch.stopped
            for claim in response.claims:
                self._slots.enqueue(claim, accept=accept)
        self._slots.obey(response.orders)
        if response.HasField("notice"):
            self._notice(response.notice)

    def stopped_by_file(self, file: Path) -> None:
        """Ends every session at once and takes no claims."""
        _log.error("emergency stop: nothing runs here until the file is gone", file=str(file))
        self._slots.stop(StopOrder(f"the file {file} exists", graceful=False))
        self._heartbeat.phase = wire.WORKER_PHASE_DRAINING
        self._stream.close()
        self._leases.changed.set()

    def file_gone(self) -> None:
        """Takes claims again."""
        _log.info("the emergency stop is over")
        if self._phase is Phase.ACTIVE:
            self._heartbeat.phase = wire.WORKER_PHASE_ACTIVE
            self._stream.open()
            self._leases.changed.set()

    def woken(self, slept_s: float) -> None:
        """Asks the server, before anything else, what still holds."""
        _log.warning("the machine slept", slept_s=round(slept_s))
        self._leases.changed.set()

    def _heard(self, response: wire.HeartbeatResponse) -> None:
        self._slots.obey(response.orders)
        if response.HasField("notice"):
            self._notice(response.notice)

    def _notice(self, notice: wire.SwarmNotice) -> None:
        self._done = notice.done
        if notice.drain and self._phase is Phase.ACTIVE:
            _log.info("draining: the server wants it")
            self.drain()
        self._leave_if_over()

    def _go_quiet(self) -> None:
        """Tells the server to send no more, and does not ask for more."""
        self._heartbeat.phase = wire.WORKER_PHASE_DRAINING
        self._stream.stay_closed()
        self._leases.changed.set()

    def _leave_if_over(self) -> None:
        leaving = self._phase is not Phase.ACTIVE or (self._config.exit_when_done and self._done)
        if leaving and not self._leases:
            self._leave()

    def _leave(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    async def _stop(self) -> None:
        await self._slots.all_ended()
        await self._slots.all_answered(REPORT_S)
        if self._leases:
            _log.warning(
                "leaving with outcomes that the server has not answered; the next start sends them",
                outcomes=len(self._leases),
            )
        self._leave()

    async def _abandon_ship(self) -> None:
        """The server will never listen: ends the sessions and keeps their outcomes on disk."""
        self._phase = Phase.STOPPING
        self._slots.stop(StopOrder("the server does not accept this worker", graceful=True))
        await self._slots.all_ended()

    async def _close(self, loops: list[asyncio.Task[None]]) -> None:
        owned = [*loops, self._stopper] if self._stopper else loops
        for task in owned:
            task.cancel()
        await asyncio.gather(*owned, return_exceptions=True)
        await self._slots.close()

    def _loop_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and not self._over.done():
            self._over.set_exception(error)

    async def _beat(self) -> None:
        await self._opened.wait()
        await self._heartbeat.run()

    def _attempts(self) -> "AttemptFactory":
        """Loads all that only attempts need, with the first claim: an idle worker does without."""
        if self._factory is None:
            from swarm_worker.execution.factory import attempt_factory  # noqa: PLC0415  # see above

            self._factory = attempt_factory(
                self._config,
                self._setup,
                reporter=self._reporter,
                hold=self._hold,
                fence=self._fence,
                throttle=self._starts,
                swarm_id=lambda: self._swarm_id,
            )
        return self._factory

    def _request(self) -> wire.ClaimTaskRequest:
        return wire.ClaimTaskRequest(
            worker=self._setup.folder.name,
            incarnation=self._incarnation,
            instance=self._setup.folder.instance,
            slots=self._config.slots,
            labels=dict(self._config.label),
            runner=self._setup.runner.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=self._setup.version,
            containment=self._hold.containment.level,
            lease_ids=self._leases.ids,
            opening=next(self._openings),
        )


async def run_worker(config: WorkerConfig, setup: WorkerContext, endpoint: Endpoint) -> None:
    """Runs one worker until it has left; raises Exit when the server will never accept it."""

    def ready() -> None:
        sys.stdout.write(
            f"{PROGRAM} ready name={setup.folder.name} server={config.server} runner={setup.runner.name}"
            f" slots={config.slots} pid={os.getpid()}\n"
        )
        sys.stdout.flush()
        gc.freeze()  # what is loaded by now stays for good: no collection need look at it again

    async with connected(endpoint) as stubs:
        agent = Worker(config, setup, stubs, ready=ready)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, agent.terminate)
        loop.add_signal_handler(signal.SIGINT, agent.interrupt)
        await agent.run()
