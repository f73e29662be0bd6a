"""Viewers that follow everything: `viewers.py rpc|ws ADDRESS TOKEN COUNT` reports when all of them watch.

Viewers of `rpc` watch the events over gRPC, viewers of `ws` the live feed as the dashboard does.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from websockets.asyncio.client import connect

from amplifier_swarm.channel import Endpoint, dial
from amplifier_swarm.v1 import operator_service_pb2 as operator_pb
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub


async def main() -> None:
    """Watches until it is ended."""
    kind, address, token, count = sys.argv[1:]
    await (_rpc if kind == "rpc" else _web)(address, token, int(count))


async def _all(watch: Callable[[], Awaitable[None]], count: int) -> None:
    watching = [asyncio.ensure_future(watch()) for _ in range(count)]
    await asyncio.sleep(1)
    print("watching", flush=True)
    await asyncio.gather(*watching)


async def _web(address: str, token: str, count: int) -> None:
    headers = {"Authorization": f"Bearer {token}"}

    async def watch() -> None:
        async with connect(f"ws://{address}/ws", additional_headers=headers, max_size=None) as socket:
            async for _frame in socket:
                pass

    await _all(watch, count)


async def _rpc(address: str, token: str, count: int) -> None:
    endpoint = Endpoint(address, token)
    async with dial(endpoint) as channel:
        stub = OperatorServiceStub(channel)
        swarm = (await stub.GetSwarm(operator_pb.GetSwarmRequest(), metadata=endpoint.metadata)).swarm
        request = operator_pb.WatchEventsRequest(after_seq=swarm.last_event_seq, follow=True)

        async def watch() -> None:
            async for _events in stub.WatchEvents(request, metadata=endpoint.metadata):
                pass

        await _all(watch, count)


if __name__ == "__main__":
    asyncio.run(main())
