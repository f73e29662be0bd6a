"""Channels with their stubs: one for asyncio, and one that blocks."""

from typing import TYPE_CHECKING, Any

from amplifier_swarm.channel import Endpoint, dial, dial_blocking
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub

if TYPE_CHECKING:
    from grpc_health.v1.health_pb2_grpc import HealthStub


class AioTransport:
    """A channel for asyncio. Its calls must pass the metadata."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.server = endpoint.server
        self.channel = dial(endpoint)
        self.stub: Any = OperatorServiceStub(self.channel)
        self.metadata = endpoint.metadata

    async def close(self) -> None:
        """Ends all open calls and closes the channel."""
        await self.channel.close()


class BlockingTransport:
    """A channel for threads. It adds the token itself, so there is no metadata to pass."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.server = endpoint.server
        self.channel = dial_blocking(endpoint)
        self.stub: Any = OperatorServiceStub(self.channel)
        self.metadata: tuple[tuple[str, str], ...] = ()

    @property
    def health(self) -> "HealthStub":
        """The methods of the server's health service."""
        # Imported here: few programs call it.
        from grpc_health.v1.health_pb2_grpc import HealthStub  # noqa: PLC0415

        return HealthStub(self.channel)

    def close(self) -> None:
        """Ends all open calls and closes the channel."""
        self.channel.close()
