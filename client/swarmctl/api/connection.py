"""A connection to one swarmd: the stub, and errors as exits of the program."""

import grpc

from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm_client.blocking.connection import CallConnection
from amplifier_swarm_client.transport import BlockingTransport
from swarmctl.api.errors import explain


class Connection(BlockingTransport):
    """A channel and its stubs; gRPC connects with the first call."""

    stub: OperatorServiceStub

    def unreachable(self, error: BaseException | None) -> bool:
        """Returns whether the error says that no server answers."""
        return isinstance(error, grpc.RpcError) and error.code() is grpc.StatusCode.UNAVAILABLE

    def raise_as_exit(self, error: BaseException | None) -> None:
        """Raises the ProgramExit of a gRPC error; ignores other errors and None."""
        if isinstance(error, grpc.RpcError):
            raise explain(error, server=self.server) from error


class StubTransport(BlockingTransport):
    """The channel of a stub that somebody else closes."""

    def __init__(self, stub: OperatorServiceStub) -> None:
        self.server = ""
        self.stub = stub
        self.metadata = ()


def calls_of(stub: OperatorServiceStub) -> CallConnection:
    """Returns the calls of the Python client over a stub. They are not repeated: a command reports an outage."""
    return CallConnection(StubTransport(stub), patience_s=0)
