"""The connection to one server: its methods, and the token that goes with every call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from amplifier_swarm.channel import Endpoint, dial
from amplifier_swarm.v1.worker_service_pb2_grpc import WorkerServiceStub

if TYPE_CHECKING:  # it exists for type checkers alone
    from amplifier_swarm.v1.worker_service_pb2_grpc import WorkerServiceAsyncStub


@dataclass(frozen=True, slots=True)
class ServerConnection:
    """What calls are made with."""

    service: "WorkerServiceAsyncStub"
    metadata: tuple[tuple[str, str], ...]


@asynccontextmanager
async def connected(endpoint: Endpoint) -> AsyncIterator[ServerConnection]:
    """A channel for as long as it is needed; nothing is dialled before the first call."""
    async with dial(endpoint) as channel:
        yield ServerConnection(WorkerServiceStub(channel), endpoint.metadata)
