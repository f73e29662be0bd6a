"""The context of a command: its options, the server to call, and the printer.

Invariant: nothing is dialled, and gRPC is not even imported, before a command asks for `stub`.
"""

from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from amplifier_swarm.program import check_threads
from swarmctl.cli.options import GlobalOptions
from swarmctl.render.printer import Printer

if TYPE_CHECKING:
    from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
    from swarmctl.api.connection import Connection

# The threads of gRPC.
THREADS: Final = 8


class CommandContext:
    """The context of one run of a command. Turns errors of the server into a ProgramExit."""

    def __init__(self, options: GlobalOptions) -> None:
        self.options = options
        self.printer = Printer(options.output, no_color=options.no_color)
        self._connection: Connection | None = None

    @property
    def stub(self) -> "OperatorServiceStub":
        """The server's methods; the first use opens the connection."""
        if self._connection is None:
            self._connection = connect(self.options)
        return self._connection.stub

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is None:
            return
        self._connection.close()
        self._connection.raise_as_exit(error)


def connect(options: GlobalOptions) -> "Connection":
    """Opens the connection that the common options describe.

    Raises:
        ProgramExit: an option is wrong, or there is no usable token.
    """
    # Imported here: `--help` need not wait for gRPC.
    from amplifier_swarm.channel import Endpoint, check_address  # noqa: PLC0415
    from amplifier_swarm.credentials import find_token  # noqa: PLC0415
    from swarmctl.api.connection import Connection  # noqa: PLC0415

    server = check_address(options.server, name="--server")
    token = find_token(options.token_file)
    check_threads(THREADS)
    return Connection(Endpoint(server=server, token=token, tls_ca=options.tls_ca))
