"""The reference server: the worker's calls over bare grpc.aio, with constant answers.

It has no store, no guard and no rules. Its cost per call is that of grpc.aio, protobuf and asyncio with
messages of the real shape and size. Run as a program, it prints its port.
"""

import asyncio
import contextlib
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import grpc

from amplifier_swarm.v1 import task_pb2, worker_service_pb2_grpc
from amplifier_swarm.v1 import worker_service_pb2 as wire

OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
)


class Echo(worker_service_pb2_grpc.WorkerServiceServicer):
    """A servicer that always sends each worker as many claims as it has free slots."""

    def __init__(self) -> None:
        self._owed: defaultdict[str, asyncio.Queue[int]] = defaultdict(asyncio.Queue)
        self._numbers = itertools.count(1)
        self._beats: dict[str, int] = {}

    async def ClaimTask(self, request: wire.ClaimTaskRequest, context: Any) -> AsyncIterator[Any]:
        owed = self._owed[request.worker]
        yield wire.ClaimTaskResponse(opened=wire.Opened(server_version="0", swarm_id="0" * 12))
        owed.put_nowait(request.slots)
        while True:
            count = await owed.get()
            while not owed.empty():
                count += owed.get_nowait()
            if count:  # the barest worker of all has no slot
                yield wire.ClaimTaskResponse(claims=[self._claim() for _ in range(count)])

    async def RecordSession(
        self, request: wire.RecordSessionRequest, context: Any
    ) -> wire.RecordSessionResponse:
        return wire.RecordSessionResponse(answers=[wire.SessionAnswer(go=True) for _ in request.records])

    async def FinishTask(self, request: wire.FinishTaskRequest, context: Any) -> wire.FinishTaskResponse:
        self._owed[request.worker].put_nowait(len(request.finished))
        accepted = wire.FINISH_DISPOSITION_ACCEPTED
        done = task_pb2.TASK_STATUS_COMPLETED
        return wire.FinishTaskResponse(
            results=[wire.FinishResult(disposition=accepted, task_status=done) for _ in request.finished]
        )

    async def LandTask(self, request: wire.LandTaskRequest, context: Any) -> wire.LandTaskResponse:
        return wire.LandTaskResponse(granted=True)

    async def PutArtifact(
        self, request_iterator: AsyncIterator[wire.PutArtifactRequest], context: Any
    ) -> wire.PutArtifactResponse:
        return wire.PutArtifactResponse()

    async def JoinSwarm(self, request: wire.JoinSwarmRequest, context: Any) -> wire.JoinSwarmResponse:
        return wire.JoinSwarmResponse()

    async def Heartbeat(self, request: wire.HeartbeatRequest, context: Any) -> wire.HeartbeatResponse:
        self._beats[request.worker] = len(request.lease_ids)
        return wire.HeartbeatResponse(notice=wire.SwarmNotice())

    async def ReportProgress(
        self, request: wire.ReportProgressRequest, context: Any
    ) -> wire.ReportProgressResponse:
        return wire.ReportProgressResponse()

    def _claim(self) -> wire.Claim:
        number = next(self._numbers)
        name = f"task-{number:07d}"
        definition = task_pb2.TaskDefinition(task_id=name, name=name, description="d" * 100)
        return wire.Claim(task=definition, lease_id=f"1-{number}-1-{'0' * 32}", attempt=1, epoch=1)


async def _unary(request: bytes, _context: Any) -> bytes:
    return request


async def _stream(requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request


PLAIN = grpc.method_handlers_generic_handler(
    "bench.Echo",
    {
        "Unary": grpc.unary_unary_rpc_method_handler(_unary),
        "Stream": grpc.stream_stream_rpc_method_handler(_stream),
    },
)


async def main() -> None:
    """Serves until it is ended."""
    server = grpc.aio.server(options=OPTIONS)
    worker_service_pb2_grpc.add_WorkerServiceServicer_to_server(Echo(), server)
    server.add_generic_rpc_handlers((PLAIN,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"echo ready grpc=127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
