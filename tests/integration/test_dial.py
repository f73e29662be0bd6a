"""Dialling a server over a slow line."""

import asyncio

import pytest

from amplifier_swarm.channel import Endpoint, dial_blocking
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


def _read_swarm(endpoint: Endpoint) -> swarm_pb2.Swarm:
    with dial_blocking(endpoint) as channel:
        return OperatorServiceStub(channel).GetSwarm(pb.GetSwarmRequest(), timeout=30).swarm
