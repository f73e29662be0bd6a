"""Dialling a server over a slow line."""

import asyncio
from typing import Any

import pytest

from amplifier_swarm.channel import Endpoint, dial, dial_blocking
from amplifier_swarm.proxy import BYPASS_VARIABLES, VARIABLES
from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import swarm_pb2
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from chaos.proxy import Proxy, Toxics
from support.server import Server

pytestmark = pytest.mark.slow
# More than the first wait between two attempts to connect.
FAR = Toxics(latency_s=0.4)


async def test_a_server_that_is_far_is_reached_at_the_first_attempt(served: Server) -> None:
    with Proxy(served.address) as proxy:
        lane = proxy.lane()
        lane.set(FAR)

        swarm = await asyncio.to_thread(_read_swarm, Endpoint(lane.address, served.token))

    assert swarm.swarm_id


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_loopback_is_dialled_directly_whatever_proxies_are_set(
    served: Server, monkeypatch: pytest.MonkeyPatch, variable: str, host: str
) -> None:
    for name in BYPASS_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    asked: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(1000))
        writer.close()

    proxy = await asyncio.start_server(note, "127.0.0.1", 0)
    monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    endpoint = Endpoint(f"{host}:{served.address.rpartition(':')[2]}", served.token)

    assert (await asyncio.to_thread(_read_swarm, endpoint)).swarm_id
    async with dial(endpoint) as channel:
        call: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        await call(b"", metadata=endpoint.metadata, timeout=30)
    proxy.close()
    assert asked == []


def _read_swarm(endpoint: Endpoint) -> swarm_pb2.Swarm:
    with dial_blocking(endpoint) as channel:
        return OperatorServiceStub(channel).GetSwarm(pb.GetSwarmRequest(), timeout=30).swarm
