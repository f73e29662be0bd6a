"""The connection to one server: its methods, and the token that goes with every call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from amplifier_swarm.channel import Endpoint, dial
from amplifier_swarm.v1.worker_service_pb2_grpc import WorkerServiceStub

if TYPE_CHECKING:  # this class exists for type checkers only
    from amplifier_swarm.v1.worker_service_pb2_grpc import WorkerServiceAsyncStub


@dataclass(frozen=True, slots=True)
class ServerConnection:
    """The methods of a server, and the metadata that each call must pass."""

    service: "WorkerServiceAsyncStub"
    metadata: tuple[tuple[str, str], ...]


@asynccontextmanager
async def connected(endpoint: Endpoint) -> AsyncIterator[ServerConnection]:
    """Opens a channel and closes it at the end; nothing is dialled before the first call."""
    async with dial(endpoint) as channel:
        yield ServerConnection(WorkerServiceStub(channel), endpoint.metadata)
