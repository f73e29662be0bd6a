"""The requests and reports of sessions as messages for the reporter."""

import asyncio
import time
from typing import BinaryIO, Final

import grpc

from amplifier_swarm.errors import unpack
from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.domain.model import SessionEnd, SessionLogLine, SessionStart, Usage
from swarm_worker.domain.ports import GoAnswer, LandingRight
from swarm_worker.domain.types import LeaseId
from swarm_worker.rpc import convert
from swarm_worker.rpc.batcher import ItemRefused
from swarm_worker.rpc.orders import stop_order
from swarm_worker.rpc.reporter import ProgressItem, Reporter
from swarm_worker.rpc.retry import RetryBackoff

# A server that restarts is back within seconds; a longer outage costs the artifact.
ARTIFACT_TRIES: Final = 6
_PASSING: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class RpcSessionReporter:
    """A `ports.SessionReporter` and `ports.LandingReporter` over gRPC.

    Every method is safe to call while the server is unreachable.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    async def request_go(self, start: SessionStart) -> GoAnswer:
        return await self._request(convert.session_start(start))

    async def request_checks(self, lease_id: LeaseId) -> GoAnswer:
        return await self._request(convert.checks_start(lease_id))

    async def _request(self, record: wire.SessionRecord) -> GoAnswer:
        try:
            answer = await self._reporter.records.request(record)
        except ItemRefused as error:
            return GoAnswer(granted=False, refusal=str(error))
        order = stop_order(answer.order) if answer.HasField("order") else None
        return GoAnswer(granted=answer.go, order=order)

    async def request_landing(self, lease_id: LeaseId) -> LandingRight:
        answer = await self._reporter.request_landing(lease_id)
        order = stop_order(answer.order) if answer.HasField("order") else None
        return LandingRight(answer.granted, answer.tip, order)

    async def put_artifact(self, lease_id: LeaseId, name: str, file: BinaryIO, *, size: int) -> str:
        backoff = RetryBackoff(cap_s=8.0, base_s=1.0)
        for number in range(ARTIFACT_TRIES):
            try:
                answer = await self._reporter.put_artifact(lease_id, name, file, size=size)
            except grpc.RpcError as error:
                failed = unpack(error)
                if failed.code not in _PASSING or number == ARTIFACT_TRIES - 1:
                    return failed.message
                await asyncio.sleep(backoff.next_s())
                continue
            return answer.order.cause if answer.HasField("order") else ""
        raise AssertionError("the last try returns")

    async def report_end(self, end: SessionEnd) -> None:
        try:
            await self._reporter.records.request(convert.session_end(end))
        except ItemRefused:
            return

    def report_log(self, start: SessionStart, entry: SessionLogLine, *, number: int) -> None:
        """Queues the entry; entries that the server can't accept in time are dropped."""
        logged = convert.log_entry(entry, number=number, wall_s=time.time())
        self._reporter.progress.enqueue(ProgressItem(start.lease_id, start.session_id, entry=logged))

    def report_usage(self, start: SessionStart, usage: Usage) -> None:
        self._reporter.progress.enqueue(
            ProgressItem(start.lease_id, start.session_id, usage=convert.usage(usage))
        )
