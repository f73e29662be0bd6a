"""The worker's life: it registers, works, drains or stops, and leaves. This module builds the object graph."""

import asyncio
import gc
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from amplifier_swarm.channel import Endpoint
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.host import host_name
from amplifier_swarm.light_imports import random_id
from amplifier_swarm.program import check_threads
from amplifier_swarm.standard_streams import print_line
from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.config import PROGRAM, WorkerConfig
from swarm_worker.domain.types import StopOrder
from swarm_worker.execution.slots import Slots
from swarm_worker.execution.start_throttle import StartThrottle
from swarm_worker.preflight.selection import create_preflight
from swarm_worker.rpc.claim_stream import ClaimStream, announce_starts
from swarm_worker.rpc.connection import ServerConnection, completed, connected
from swarm_worker.rpc.heartbeat import INTERVAL_S, Heartbeat, ProcessIdentity
from swarm_worker.rpc.leases import Leases
from swarm_worker.rpc.orders import seconds
from swarm_worker.rpc.reporter import Reporter
from swarm_worker.rpc.retry import OutageLog
from swarm_worker.shutdown import Shutdown
from swarm_worker.startup import WorkerContext, fit_slots, started, wants_clones
from swarm_worker.storage.files import machine_folder
from swarm_worker.storage.outbox import Outbox
from swarm_worker.supervision.fence import Fence
from swarm_worker.supervision.host_watch import HostWatch
from swarm_worker.supervision.supervisor import ProcessSupervisor, choose_containment

if TYPE_CHECKING:
    from swarm_worker.execution.clones import Clones
    from swarm_worker.execution.factory import AttemptFactory

# How long sessions may outlast the last answer of a server that does not say it.
STOP_AFTER_S: Final = 1_500.0
# Those of gRPC, one for blocking writes, and a margin.
THREADS: Final = 12

_log = structlog.get_logger()


class Worker:
    """A worker process: its claim stream, its heartbeat, its slots and its way out."""

    def __init__(
        self,
        config: WorkerConfig,
        context: WorkerContext,
        connection: ServerConnection,
        *,
        ready: Callable[[], None],
    ) -> None:
        self._config = config
        self._context = context
        self._ready = ready
        self._connection = connection
        folder = context.folder
        self._identity = ProcessIdentity(folder.name, random_id())
        self._stream_seq = itertools.count(folder.stream_seq + 1)
        self._swarm_id = ""
        self._opened = asyncio.Event()
        self._factory: AttemptFactory | None = None
        self._clones: Clones | None = None
        containment, limits = choose_containment(config.containment), context.abilities.limit_groups
        self._supervisor = ProcessSupervisor(containment, instance=folder.instance, limit_groups=limits)
        self._fence = Fence(self._supervisor)
        self._watch = HostWatch((folder.path.parent, folder.path), self)
        self._starts = StartThrottle(machine_folder(os.environ) / "starts")
        self._leases = Leases()
        outages = OutageLog(config.server)
        self._reporter = Reporter(folder.name, connection, outages=outages)
        self._slots = self._build_slots()
        self._shutdown = Shutdown(config, self._slots, self._leases, stop_claiming=self._stop_claiming)
        self._heartbeat = Heartbeat(
            self._identity,
            connection,
            leases=self._leases,
            fence=self._fence,
            outages=outages,
            on_response=self._on_heartbeat,
        )
        self._stream = ClaimStream(connection, request=self._claim_request, listener=self, outages=outages)

    def _build_slots(self) -> Slots:
        return Slots(
            self._config.slots,
            leases=self._leases,
            outbox=Outbox(self._context.folder.outbox),
            reporter=self._reporter,
            attempts=self._attempts,
            grace_s=self._config.kill_grace,
            freed=lambda: self._shutdown.on_lease_ended(),  # noqa: PLW0108  # it is built later
        )

    async def run(self) -> None:
        """Works until it is stopped, drained or done.

        Raises:
            ProgramExit: The server will never accept this worker.
        """
        await self._supervisor.kill_leftovers()
        await self._open_clones()
        self._slots.resume()
        self._shutdown.measure_idleness()
        self._watch.check()
        loops = list(self._start_loops())
        try:
            await self._shutdown.left
            self._stream.stay_closed()
            if self._opened.is_set() and not self._leases:
                await self._heartbeat.leave()
        except ProgramExit:
            await self._shutdown.stop_and_keep_outcomes()
            raise
        finally:
            for task in loops:
                task.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await self._shutdown.close()
            await self._slots.close()

    def on_sigterm(self) -> None:
        """Drains at the first SIGTERM, stops at the second."""
        self._shutdown.on_sigterm()

    def on_sigint(self) -> None:
        """Ends the sessions and reports their outcomes; each further signal shortens the wait."""
        self._shutdown.on_sigint()

    def opened(self, opened: wire.Opened, *, since: float) -> None:
        """Takes the server's timing; the first time, the worker is registered and says that it is ready."""
        self._fence.set_stop_after(seconds(opened.stop_after) or STOP_AFTER_S, since=since)
        self._heartbeat.interval_s = seconds(opened.heartbeat_interval) or INTERVAL_S
        self._swarm_id = opened.swarm_id
        if not self._opened.is_set():
            _log.info("registered", worker=self._identity.name, server_version=opened.server_version)
            self._opened.set()
            self._shutdown.registered = True
            self._ready()
        # A server that was away learns at once which leases are held.
        self._leases.changed.set()

    def received(self, response: wire.ClaimTaskResponse) -> None:
        """Handles the claims, orders and notice of one message of the claim stream."""
        if response.claims:
            self._watch.check()
            has_room = self._clones is None or self._clones.has_room()
            accept = has_room and self._shutdown.active and not self._watch.stopped
            for claim in response.claims:
                self._slots.enqueue(claim, accept=accept)
        self._slots.obey(response.orders)
        if response.HasField("notice"):
            self._on_notice(response.notice)

    def on_stop_file(self, file: Path) -> None:
        """Ends every session at once and takes no claims."""
        _log.error("emergency stop: nothing runs here until the file is gone", file=str(file))
        self._slots.stop(StopOrder(f"the file {file} exists", graceful=False))
        self._heartbeat.phase = wire.WORKER_PHASE_DRAINING
        self._stream.close()
        self._leases.changed.set()

    def on_stop_file_removed(self) -> None:
        """Takes claims again."""
        _log.info("the emergency stop is over")
        if self._shutdown.active:
            self._heartbeat.phase = wire.WORKER_PHASE_ACTIVE
            self._stream.open()
            self._leases.changed.set()

    def resumed_from_sleep(self, slept_s: float) -> None:
        """Beats at once after a sleep of the machine: the server may have given the leases away."""
        _log.warning("the machine slept", slept_s=round(slept_s))
        self._leases.changed.set()

    def _on_heartbeat(self, response: wire.HeartbeatResponse) -> None:
        self._slots.obey(response.orders)
        if response.HasField("notice"):
            self._on_notice(response.notice)

    def _on_notice(self, notice: wire.SwarmNotice) -> None:
        self._shutdown.leave_when_idle = self._config.exit_when_done and notice.done
        if notice.drain and self._shutdown.active:
            _log.info("draining: the server asks for it")
            self._shutdown.drain()
        self._shutdown.leave_if_idle()

    def _stop_claiming(self) -> None:
        """Asks the server for no more claims, by the next heartbeat, and opens no further stream."""
        self._heartbeat.phase = wire.WORKER_PHASE_DRAINING
        self._stream.stay_closed()
        self._leases.changed.set()

    def _start_loops(self) -> Iterator[asyncio.Task[None]]:
        reports = (self._reporter.records, self._reporter.progress, self._reporter.outcomes)
        for loop in (self._watch.run(), self._stream.run(), self._beat(), *(each.run() for each in reports)):
            task: asyncio.Task[None] = asyncio.create_task(loop)
            task.add_done_callback(self._on_loop_ended)
            yield task

    def _on_loop_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._shutdown.fail(error)

    async def _beat(self) -> None:
        await self._opened.wait()
        await self._heartbeat.run()

    def _attempts(self) -> "AttemptFactory":
        """Returns the factory of attempts; the first claim loads it and all that only attempts need."""
        if self._factory is None:
            # Performance: an idle worker is 2 MiB smaller (docs/performance.md).
            from swarm_worker.execution.factory import attempt_factory  # noqa: PLC0415  # see above
            from swarm_worker.rpc.session_gateway import RpcSessionGateway  # noqa: PLC0415  # see above

            self._factory = attempt_factory(
                self._config,
                self._context,
                reporter=self._reporter,
                supervisor=self._supervisor,
                fence=self._fence,
                throttle=self._starts,
                swarm_id=lambda: self._swarm_id,
                clones=self._clones,
                gateway=RpcSessionGateway(self._connection),
            )
        return self._factory

    def _claim_request(self) -> wire.ClaimTaskRequest:
        folder, config = self._context.folder, self._config
        request = wire.ClaimTaskRequest(
            worker=self._identity.name, incarnation=self._identity.incarnation, instance=folder.instance,
            slots=config.slots, labels=dict(config.label), runner=self._context.runner.name, host=host_name(),
            pid=os.getpid(), version=self._context.version, containment=self._supervisor.containment.level,
            lease_ids=self._leases.ids, opening=next(self._stream_seq), allow_rehearsal=config.allow_rehearsal,
        )  # fmt: skip
        self._context.abilities.register(request)
        announce_starts(request)
        if self._clones is not None:
            self._clones.register(request)
        return request

    async def _open_clones(self) -> None:
        if wants_clones(self._config, self._context.project_root):
            # Performance: a worker without clones does not hold these modules in memory (docs/performance.md).
            from swarm_worker.execution.clones import open_clones  # noqa: PLC0415  # see above

            self._clones = await open_clones(self._config, self._context, self._supervisor)


def serve(config: WorkerConfig, *, version: str) -> None:
    """Runs one worker until it has left.

    Raises:
        ProgramExit: A flag can't be followed, or the server will never accept this worker.
    """
    check_threads(THREADS)
    with started(config, version=version) as (context, endpoint):
        config = replace(config, slots=fit_slots(config.slots))
        create_preflight(
            context.runner,
            project_root=context.project_root,
            own=os.environ,
            env=context.env,
            passed=config.pass_env,
            roles=config.roles,
        ).require()
        asyncio.run(run_worker(config, context, endpoint))


async def run_worker(config: WorkerConfig, context: WorkerContext, endpoint: Endpoint) -> None:
    """Connects one worker to its server and runs it until it has left; raises ProgramExit as `Worker.run`."""

    def ready() -> None:
        print_line(
            f"{PROGRAM} ready name={context.folder.name} server={config.server} runner={context.runner.name}"
            f" slots={config.slots} pid={os.getpid()}"
        )
        gc.freeze()  # all that is loaded by now stays for good, so no collection needs to look at it

    endpoint = await completed(endpoint, config, context.folder)
    gc.collect()  # what the imports left is not needed; the room serves the connection
    async with connected(endpoint) as connection:
        worker = Worker(config, context, connection, ready=ready)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, worker.on_sigterm)
        loop.add_signal_handler(signal.SIGINT, worker.on_sigint)
        await worker.run()
