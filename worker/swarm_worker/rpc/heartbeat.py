"""The heartbeat that keeps the worker's leases.

Invariant: the heartbeat depends on nothing that a session does. It lists every lease held, including leases
whose outcome is not answered yet. Orders that come with its answer count like orders from the stream.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

import grpc

from amplifier_swarm.errors import unpack
from amplifier_swarm.light_imports import uniform
from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.rpc.connection import ServerConnection
from swarm_worker.rpc.leases import Leases
from swarm_worker.rpc.orders import running_program
from swarm_worker.rpc.retry import CALL_TIMEOUT_S, CallRetry, OutageLog, exit_for
from swarm_worker.supervision.fence import Fence, now_s

# Changes of leases that come this close together share a beat.
GAP_S: Final = 0.1
JITTER: Final = 0.1
RETRY_CAP_S: Final = 5.0
# Until the server has said its own interval.
INTERVAL_S: Final = 10.0
LEAVING_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """The worker's name, and the id of this process under that name."""

    name: str
    incarnation: str


class Heartbeat:
    """The heartbeat of one worker; `phase` and `interval_s` may be set at any time."""

    def __init__(
        self,
        identity: ProcessIdentity,
        connection: ServerConnection,
        *,
        leases: Leases,
        fence: Fence,
        outages: OutageLog,
        on_response: Callable[[wire.HeartbeatResponse], None],
    ) -> None:
        self.phase: wire.WorkerPhase.ValueType = wire.WORKER_PHASE_ACTIVE
        self.interval_s = INTERVAL_S
        self._identity = identity
        self._connection = connection
        self._leases = leases
        self._fence = fence
        self._retry = CallRetry("Heartbeat", outages, cap_s=RETRY_CAP_S)
        self._on_response = on_response

    async def run(self) -> NoReturn:
        """Beats until it is cancelled.

        Raises:
            ProgramExit: The server will never accept this worker.
        """
        while True:
            self._leases.changed.clear()
            retry_s = await self._beat(self.phase, timeout_s=min(self.interval_s, CALL_TIMEOUT_S))
            if retry_s is None:
                await asyncio.sleep(GAP_S)
                await self._wait_for_change(self.interval_s * uniform(1 - JITTER, 1 + JITTER) - GAP_S)
            else:
                await asyncio.sleep(min(retry_s, self.interval_s))

    async def leave(self) -> None:
        """Reports, with one try, that this process ends and holds no lease."""
        await self._beat(wire.WORKER_PHASE_LEAVING, timeout_s=LEAVING_S)

    async def _beat(self, phase: "wire.WorkerPhase.ValueType", *, timeout_s: float) -> float | None:
        """Sends one beat; returns None if it was answered, else how long to wait before the next try."""
        request = wire.HeartbeatRequest(
            worker=self._identity.name,
            incarnation=self._identity.incarnation,
            lease_ids=self._leases.ids,
            phase=phase,
            running=list(self._running()),
        )
        sent = now_s()
        try:
            response = await self._connection.service.Heartbeat(
                request, timeout=timeout_s, metadata=self._connection.metadata
            )
        except grpc.RpcError as error:
            failure = unpack(error)
            if end := exit_for(failure):
                raise end from error
            return self._retry.failed(failure)
        self._retry.succeeded()
        self._fence.extend(since=sent)
        if response.HasField("heartbeat_interval"):
            self.interval_s = max(GAP_S, response.heartbeat_interval.ToMicroseconds() / 1e6)
        self._on_response(response)
        return None

    def _running(self) -> Iterator[wire.RunningProgram]:
        """Yields the programs that run for the leases."""
        for held in self._leases:
            if (signs := held.stop.signs) is not None:
                yield running_program(held.lease_id, signs)

    async def _wait_for_change(self, seconds: float) -> None:
        # Not wait_for: on Python 3.11 it loses a cancellation that comes together with the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._leases.changed.wait()
