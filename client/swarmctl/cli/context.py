"""The context of a command: its options, the server to call, and the printer.

Invariant: nothing is dialled, and gRPC is not even imported, before a command asks for `stub`.
"""

import shlex
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from amplifier_swarm.credentials import read_token
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.state_paths import TOKEN
from amplifier_swarm_client import settings
from swarmctl.cli.options import GlobalOptions
from swarmctl.render.printer import Printer

if TYPE_CHECKING:
    from grpc_health.v1.health_pb2_grpc import HealthStub

    from amplifier_swarm.channel import Endpoint
    from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
    from swarmctl.api.connection import Connection
    from swarmctl.api.reading_server import ReadingServer


class CommandContext:
    """The context of one run of a command. Turns errors of the server into a ProgramExit."""

    def __init__(self, options: GlobalOptions) -> None:
        self.options = options
        if options.utc:
            # Imported here: it loads protobuf, and few commands need it.
            from swarmctl.text_format import use_utc  # noqa: PLC0415

            use_utc()
        self.printer = Printer(options.output, no_color=options.no_color)
        self._connection: Connection | None = None
        self._reading_server: ReadingServer | None = None

    @property
    def stub(self) -> "OperatorServiceStub":
        """The server's methods; the first use opens the connection."""
        if self._connection is None:
            self._connection = connect(self.endpoint)
        return self._connection.stub

    @property
    def reading_stub(self) -> "OperatorServiceStub":
        """The server's methods, for a command that reads and ends.

        Where the server has ended, a server of this command's own serves the database until the command has ended.
        """
        if (
            self._connection is None
            and (state := settings.ended_project(self.options.connection)) is not None
        ):
            settings.refuse_operator_in_session(read_token(state.folder / TOKEN))
            # Imported here: most commands find a server that runs.
            from amplifier_swarm.channel import Endpoint  # noqa: PLC0415
            from swarmctl.api.reading_server import ReadingServer  # noqa: PLC0415

            self._reading_server = ReadingServer(state)
            token = read_token(state.folder / TOKEN)
            self._connection = connect(Endpoint(self._reading_server.address, token))
        return self.stub

    @property
    def health(self) -> "HealthStub":
        """Returns the methods of the server's health service, which need no token."""
        if self._connection is None:
            self._connection = connect(endpoint_of(self.options, with_token=False))
        return self._connection.health

    @cached_property
    def endpoint(self) -> "Endpoint":
        """The server and the credentials, with the CA that was found by a fingerprint; raises as `endpoint_of`."""
        found = endpoint_of(self.options)
        return replace(found, cause=self.options.cause) if self.options.cause else found

    @property
    def server(self) -> str:
        """The address of the server."""
        return server_of(self.options)

    @property
    def uses_tls(self) -> bool:
        """True if the server is dialled with TLS."""
        return bool(self.options.tls_ca_fingerprint) or self.tls_ca is not None

    @property
    def tls_ca(self) -> Path | None:
        """The file with the CA of the server: as given, or the one that the server of this project made."""
        return settings.ca_of(self.options.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is None:
            return
        self._connection.close()
        if self._reading_server is not None:
            self._reading_server.close()
        if (
            self._connection.unreachable(error)
            and (state := settings.ended_project(self.options.connection)) is not None
        ):
            raise ProgramExit(
                ExitCode.UNREACHABLE,
                "the server of this folder has ended",
                hint=f"`swarmd --db {shlex.quote(str(state.db))}` starts it; commands that read need none",
            ) from error
        self._connection.raise_as_exit(error)


def connect(endpoint: "Endpoint") -> "Connection":
    """Opens a connection."""
    # Imported here: `--help` need not wait for gRPC.
    from swarmctl.api.connection import Connection  # noqa: PLC0415

    return Connection(endpoint)


def endpoint_of(options: GlobalOptions, *, with_token: bool = True) -> "Endpoint":
    """Returns the server and the credentials that the common options describe; raises as `find_endpoint`."""
    # Imported here: as above.
    from amplifier_swarm_client.endpoint import find_endpoint  # noqa: PLC0415

    return find_endpoint(options.connection, with_token=with_token)


def server_of(options: GlobalOptions) -> str:
    """Returns the address of the server: as given, else that of the project, else the default."""
    return settings.server_of(options.connection)
