"""A connection to one swarmd: the stub, and its errors in words for people."""

import grpc

from amplifier_swarm.channel import Endpoint, dial_blocking
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from swarmctl.api.errors import explain


class Connection:
    """Dials when it is made; gRPC connects with the first call."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._server = endpoint.server
        self._channel = dial_blocking(endpoint)
        self.stub = OperatorServiceStub(self._channel)

    def close(self) -> None:
        """Ends every call that is open."""
        self._channel.close()

    def raise_for_people(self, error: BaseException | None) -> None:
        """Raises what an error of a call means; other errors and None pass."""
        if isinstance(error, grpc.RpcError):
            raise explain(error, server=self._server) from error
