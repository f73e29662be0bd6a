"""A connection to one swarmd: the stub, and its errors in words for people."""

import grpc

from amplifier_swarm.channel import Endpoint, check_address, dial_blocking
from amplifier_swarm.credentials import find_token
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from swarmctl.api.errors import explain
from swarmctl.cli.options import GlobalOptions


class Connection:
    """Dials when it is made; gRPC connects with the first call."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._server = endpoint.server
        self._channel = dial_blocking(endpoint)
        self.stub = OperatorServiceStub(self._channel)

    @classmethod
    def of_options(cls, options: GlobalOptions) -> "Connection":
        """The connection that the common options ask for; raises Exit where one is wrong."""
        server = check_address(options.server, name="--server")
        token = find_token(options.token_file)
        if not (token.isascii() and token.isprintable()):
            # gRPC would say so too, and show the token with it.
            raise ProgramExit(
                ExitCode.UNAUTHENTICATED, "SWARM_TOKEN holds no token", hint="give --token-file"
            )
        return cls(Endpoint(server=server, token=token, tls_ca=options.tls_ca))

    def close(self) -> None:
        """Ends every call that is open."""
        self._channel.close()

    def raise_for_people(self, error: BaseException | None) -> None:
        """Raises what an error of a call means; other errors and None pass."""
        if isinstance(error, grpc.RpcError):
            raise explain(error, server=self._server) from error
