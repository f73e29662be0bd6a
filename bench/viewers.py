"""Viewers that follow every event: `viewers.py ADDRESS TOKEN COUNT` says when all of them watch."""

import asyncio
import sys

from amplifier_swarm.channel import Endpoint, dial
from amplifier_swarm.v1 import operator_service_pb2 as operator_pb
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub


async def main() -> None:
    """Watches until it is ended."""
    address, token, count = sys.argv[1:]
    endpoint = Endpoint(address, token)
    async with dial(endpoint) as channel:
        stub = OperatorServiceStub(channel)
        swarm = (await stub.GetSwarm(operator_pb.GetSwarmRequest(), metadata=endpoint.metadata)).swarm
        request = operator_pb.WatchEventsRequest(after_seq=swarm.last_event_seq, follow=True)

        async def watch() -> None:
            async for _events in stub.WatchEvents(request, metadata=endpoint.metadata):
                pass

        watching = [asyncio.create_task(watch()) for _ in range(int(count))]
        await asyncio.sleep(1)
        print("watching", flush=True)
        await asyncio.gather(*watching)


if __name__ == "__main__":
    asyncio.run(main())
