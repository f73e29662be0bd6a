"""The leases that the worker holds, and the heartbeat that keeps them.

Its one rule: the heartbeat depends on nothing that a session does. It lists every lease held, also those
of which only the outcome is unanswered, and obeys what comes back just as what comes over the stream.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, NoReturn

import grpc
import structlog

from amplifier_swarm.errors import unpack
from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.rpc.connection import ServerConnection
from swarm_worker.rpc.leases import Leases
from swarm_worker.rpc.retry import CALL_TIMEOUT_S, OutageLog, RetryBackoff, exit_for, uniform
from swarm_worker.supervision.fence import Fence, now_s

# Changes that come close together share a beat.
GAP_S: Final = 0.1
JITTER: Final = 0.1
RETRY_CAP_S: Final = 5.0
# Until the server has said its own.
INTERVAL_S: Final = 10.0
LEAVING_S: Final = 2.0

_log = structlog.get_logger()


class Heartbeat:
    """Beats for one worker."""

    def __init__(
        self,
        worker: str,
        incarnation: str,
        stubs: ServerConnection,
        *,
        leases: Leases,
        fence: Fence,
        link: OutageLog,
        heard: Callable[[wire.HeartbeatResponse], None],
    ) -> None:
        self.phase: wire.WorkerPhase.ValueType = wire.WORKER_PHASE_ACTIVE
        self.interval_s = INTERVAL_S
        self._worker = worker
        self._incarnation = incarnation
        self._stubs = stubs
        self._leases = leases
        self._fence = fence
        self._link = link
        self._heard = heard
        self._backoff = RetryBackoff(cap_s=RETRY_CAP_S)

    async def run(self) -> NoReturn:
        """Beats until it is cancelled; raises Exit when the server will never listen."""
        while True:
            self._leases.changed.clear()
            answered = await self._beat(self.phase, timeout_s=min(self.interval_s, CALL_TIMEOUT_S))
            await asyncio.sleep(GAP_S if answered else min(self._backoff.next_s(), self.interval_s))
            if answered:
                await self._rest(self.interval_s * uniform(1 - JITTER, 1 + JITTER) - GAP_S)

    async def leave(self) -> None:
        """Says, as well as it can, that this process ends and holds nothing."""
        await self._beat(wire.WORKER_PHASE_LEAVING, timeout_s=LEAVING_S)

    async def _beat(self, phase: "wire.WorkerPhase.ValueType", *, timeout_s: float) -> bool:
        request = wire.HeartbeatRequest(
            worker=self._worker, incarnation=self._incarnation, lease_ids=self._leases.ids, phase=phase
        )
        sent = now_s()
        try:
            response = await self._stubs.service.Heartbeat(
                request, timeout=timeout_s, metadata=self._stubs.metadata
            )
        except grpc.RpcError as error:
            failure = unpack(error)
            if end := exit_for(failure):
                raise end from error
            self._link.failed("Heartbeat", failure)
            return False
        self._link.answered("Heartbeat")
        self._backoff.reset()
        self._fence.extend(since=sent)
        if response.HasField("heartbeat_interval"):
            self.interval_s = max(GAP_S, response.heartbeat_interval.ToMicroseconds() / 1e6)
        self._heard(response)
        return True

    async def _rest(self, seconds: float) -> None:
        # Not wait_for: on Python 3.11 that loses a cancellation which comes with the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._leases.changed.wait()
