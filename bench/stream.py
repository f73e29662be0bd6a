"""The smallest possible worker: grpc.aio, the generated stubs and one open stream. `stream.py ADDRESS`."""

import asyncio
import sys

import grpc

from amplifier_swarm.v1 import worker_service_pb2 as wire
from amplifier_swarm.v1.worker_service_pb2_grpc import WorkerServiceStub


async def main() -> None:
    """Listens until it is ended."""
    async with grpc.aio.insecure_channel(sys.argv[1]) as channel:
        stub = WorkerServiceStub(channel)
        stream = stub.ClaimTask(wire.ClaimTaskRequest(worker="bare", incarnation="1", instance="1", slots=0))
        async for _message in stream:
            print("bare ready stream=open", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
