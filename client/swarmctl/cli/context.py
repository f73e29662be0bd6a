"""The context of a command: its options, the server to call, and the printer.

Invariant: nothing is dialled, and gRPC is not even imported, before a command asks for `stub`.
"""

import os
import shlex
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from amplifier_swarm.credentials import discovered_token_file, find_token, read_token
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.program import check_threads
from amplifier_swarm.state_paths import TOKEN, ProjectState, latest_run, working_folder
from swarmctl.cli.options import DEFAULT_SERVER, GlobalOptions
from swarmctl.render.printer import Printer

if TYPE_CHECKING:
    from grpc_health.v1.health_pb2_grpc import HealthStub

    from amplifier_swarm.channel import Endpoint
    from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
    from swarmctl.api.connection import Connection
    from swarmctl.api.reading_server import ReadingServer

# The threads of gRPC.
THREADS: Final = 8
# How tokens of operators begin.
_OPERATOR_TOKEN: Final = "swt1_operator_"  # noqa: S105  # a prefix


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
        if self._connection is None and (state := _ended_project(self.options)) is not None:
            _refuse_operator_in_session(read_token(state.folder / TOKEN))
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
        return endpoint_of(self.options)

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
        return _ca_of(self.options)

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
        if self._connection.unreachable(error) and (state := _ended_project(self.options)) is not None:
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
    """Returns the server and the credentials that the common options describe.

    Raises:
        ProgramExit: an option is wrong, or no token can be used.
    """
    from amplifier_swarm.channel import Endpoint, check_address  # noqa: PLC0415  # as above
    from swarmctl.api.connection import pinned  # noqa: PLC0415

    server = check_address(server_of(options), name="--server")
    tls_ca = _ca_of(options)
    _check_certificate(options)
    token = _token_of(options) if with_token else ""
    if _is_discovered(options):
        _refuse_operator_in_session(token)
    check_threads(THREADS)
    fingerprint = options.tls_ca_fingerprint
    return pinned(
        Endpoint(server, token, tls_ca, options.tls_cert, options.tls_key, tls_ca_fingerprint=fingerprint)
    )


def _ca_of(options: GlobalOptions) -> Path | None:
    """Returns the CA file: as given, else the one of the project's server, if that is the server to dial."""
    if options.tls_ca is not None or options.tls_ca_fingerprint:
        return options.tls_ca
    state = _dialled_project(options)
    return None if state is None else state.server_ca()


def _check_certificate(options: GlobalOptions) -> None:
    """Raises ProgramExit unless the client's certificate is complete; gRPC's own error names no file."""
    cert, key = options.tls_cert, options.tls_key
    if (cert is None) != (key is None):
        raise ProgramExit(ExitCode.USAGE, "--tls-cert and --tls-key go together", hint="give both or neither")
    if cert is None:
        return
    if options.tls_ca is None and not options.tls_ca_fingerprint:
        raise ProgramExit(
            ExitCode.USAGE, "--tls-cert needs TLS", hint="give --tls-ca or --tls-ca-fingerprint too"
        )
    # Imported here: few clients have a certificate.
    import ssl  # noqa: PLC0415

    try:
        # Without a password, an encrypted key would be asked for at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        raise ProgramExit(
            ExitCode.USAGE,
            f"{cert} and {key} are not a certificate and its key",
            hint="check --tls-cert and --tls-key; the key must not be encrypted",
        ) from error
    except OSError as error:
        raise ProgramExit(
            ExitCode.USAGE,
            f"can't read {cert} or {key}: {error.strerror}",
            hint="check --tls-cert and --tls-key",
        ) from error


def server_of(options: GlobalOptions) -> str:
    """Returns the address of the server: as given, else that of the project, else the default.

    Server and token of a project go together: with a given token, the default server is meant.
    """
    state = _dialled_project(options)
    return options.server or (None if state is None else state.server_address()) or DEFAULT_SERVER


def _token_of(options: GlobalOptions) -> str:
    state = _dialled_project(options)
    return find_token(options.token_file) if state is None else read_token(state.folder / TOKEN)


def _dialled_project(options: GlobalOptions) -> ProjectState | None:
    """Returns the state of the project whose server is dialled; None if the options name a server or a token.

    It is that of the latest run in this folder, unless that has ended and the project has a server that runs.
    """
    if options.server or not _is_discovered(options):
        return None
    run = latest_run(working_folder())
    if run is not None and run.server_address():
        return run
    file = discovered_token_file()
    if file is None:
        return run
    project = ProjectState(project=working_folder(), folder=file.parent)
    return project if run is None or project.served() else run


def _ended_project(options: GlobalOptions) -> ProjectState | None:
    """Returns the state of the project whose server has ended; None if one runs, or there is none."""
    state = _dialled_project(options)
    if state is None or state.served() or not state.db.is_file():
        return None
    return state if (state.folder / TOKEN).is_file() else None


def _is_discovered(options: GlobalOptions) -> bool:
    return options.token_file is None and not os.environ.get("SWARM_TOKEN", "").strip()


def _refuse_operator_in_session(token: str) -> None:
    """Refuses the operator's token that a session has not been given but found.

    A fence against accidents: whoever means harm reads the file. See docs/guarantees.md.
    """
    session_id = os.environ.get("SWARM_SESSION_ID", "")
    if session_id and token.startswith(_OPERATOR_TOKEN):
        raise ProgramExit(
            ExitCode.DENIED,
            f"session {session_id} may not use the operator's token of its project",
            hint="leave orders to people, or pass a token that was made for this by --token-file",
        )
