"""A connection to one swarmd: the stub, and errors as exits of the program."""

from typing import TYPE_CHECKING

import grpc

from amplifier_swarm.channel import Endpoint, dial_blocking
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from swarmctl.api.errors import explain

if TYPE_CHECKING:
    from grpc_health.v1.health_pb2_grpc import HealthStub


class Connection:
    """A channel and its stubs; gRPC connects with the first call."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._server = endpoint.server
        self._channel = dial_blocking(endpoint)
        self.stub = OperatorServiceStub(self._channel)

    @property
    def health(self) -> "HealthStub":
        """The methods of the server's health service."""
        # Imported here: only `ping` calls it.
        from grpc_health.v1.health_pb2_grpc import HealthStub  # noqa: PLC0415

        return HealthStub(self._channel)

    def close(self) -> None:
        """Ends all open calls and closes the channel."""
        self._channel.close()

    def unreachable(self, error: BaseException | None) -> bool:
        """Returns whether the error says that no server answers."""
        return isinstance(error, grpc.RpcError) and error.code() is grpc.StatusCode.UNAVAILABLE

    def raise_as_exit(self, error: BaseException | None) -> None:
        """Raises the ProgramExit of a gRPC error; ignores other errors and None."""
        if isinstance(error, grpc.RpcError):
            raise explain(error, server=self._server) from error
