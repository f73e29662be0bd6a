"""Channels to a swarmd: address, TLS, keepalive, and the token that goes with every call."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc

from amplifier_swarm.credentials import is_join_token
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.proxy import channel_options, proxy_variable
from amplifier_swarm.text_files import without_bom

# A dead peer is noticed within 30 s. gRPC's keepalive timeout alone does nothing in this version: the
# HTTP/2 ping timeout is the one that counts.
KEEPALIVE_TIME_MS: Final = 20_000
# The metadata with the reason of an order, UTF-8.
CAUSE_METADATA: Final = "swarm-cause-bin"
PING_TIMEOUT_MS: Final = 10_000
KEEPALIVE: Final = (
    ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
    ("grpc.keepalive_timeout_ms", PING_TIMEOUT_MS),
    ("grpc.http2.ping_timeout_ms", PING_TIMEOUT_MS),
    # By default gRPC stops after two pings on a connection without data, and a balancer then takes it for idle.
    ("grpc.http2.max_pings_without_data", 0),
)
# How much data may be in flight, on either side: a backup over a line with a long delay uses the whole bandwidth.
# Otherwise gRPC measures the bandwidth with pings, nearly one a message on a quiet connection.
WINDOW: Final = (
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 4 * 1024 * 1024),
)
# Room for the longest definition, and for the rest of a claim or an outcome.
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
_ADDRESS: Final = re.compile(r"(?:\[[0-9A-Fa-f:.%\w]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})", re.ASCII)
_OPTIONS: Final = (
    *WINDOW,
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # A server that comes back is found within seconds; the default is two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    # Despite its name not a wait but the timeout of an attempt to connect. A far or busy server needs more than the
    # first backoff, and a call that does not wait for the connection would fail.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # Two channels of one process share nothing, so a test may dial the same port twice.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server to dial, with the credentials for it."""

    server: str
    # Empty for calls that need none.
    token: str
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    # The fingerprint of the CA, and its certificate in PEM once it is known: see pinning.py.
    tls_ca_fingerprint: str = ""
    pinned_ca: bytes = b""
    # The file that the token comes from, if a worker should read it again when it changes.
    token_file: Path | None = None
    # How long a connection may be silent before it is pinged.
    keepalive_ms: int = KEEPALIVE_TIME_MS
    # Why the orders are given that go over the channel, for people.
    cause: str = ""

    @property
    def tls(self) -> bool:
        """True if the server is dialled with TLS."""
        return self.tls_ca is not None or bool(self.tls_ca_fingerprint)

    @property
    def needs_first_contact(self) -> bool:
        """True if calls need what only a first contact with the server brings: a CA, or a credential."""
        return is_join_token(self.token) or bool(self.tls_ca_fingerprint and not self.pinned_ca)

    @property
    def tls_files(self) -> tuple[Path, ...]:
        """The files that a channel is made of."""
        return tuple(file for file in (self.tls_ca, self.tls_cert, self.tls_key) if file is not None)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata that every call must pass: the token."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    @property
    def cause_metadata(self) -> tuple[tuple[str, bytes], ...]:
        """The metadata of a call that gives an order for a reason."""
        return ((CAUSE_METADATA, self.cause.encode()),) if self.cause else ()

    @property
    def proxy_variable(self) -> str | None:
        """The variable of the environment whose proxy stands between; None if the server is dialled directly."""
        return proxy_variable(self.server, tls=self.tls)


def check_address(text: str, *, name: str) -> str:
    """Returns the `HOST:PORT` without blanks around it, such as the line end of a file with variables.

    Raises:
        ProgramExit: The text is not an address. `name` is the setting to blame.
    """
    address = text.strip()
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65535:
        raise ProgramExit(ExitCode.USAGE, f"{name} {text!r} is not a HOST:PORT address", hint=_hint(address))
    return address


def _hint(address: str) -> str:
    if "://" in address:
        return "leave out the scheme, for example 127.0.0.1:7433"
    if address.count(":") > 1 and "[" not in address:
        return "put an IPv6 address into brackets, for example [::1]:7433"
    if not address.isascii():
        return "give the ASCII form of the host's name (xn--…)"
    return "for example 127.0.0.1:7433"


def dial(endpoint: Endpoint) -> grpc.aio.Channel:
    """Returns an asyncio channel; every call must pass `endpoint.metadata` itself."""
    credentials = _tls(endpoint)
    if credentials is None:
        return grpc.aio.insecure_channel(endpoint.server, options=_options(endpoint))
    return grpc.aio.secure_channel(endpoint.server, credentials, options=_options(endpoint))


def dial_blocking(endpoint: Endpoint) -> grpc.Channel:
    """Returns a blocking channel that adds the token to every call, and the reason of an order."""
    credentials = _tls(endpoint)
    if credentials is None:
        channel = grpc.insecure_channel(endpoint.server, options=_options(endpoint))
    else:
        channel = grpc.secure_channel(endpoint.server, credentials, options=_options(endpoint))
    return grpc.intercept_channel(channel, _WithToken((*endpoint.metadata, *endpoint.cause_metadata)))


def _options(endpoint: Endpoint) -> tuple[tuple[str, int], ...]:
    # Of two options of one name the first counts.
    keepalive = ("grpc.keepalive_time_ms", endpoint.keepalive_ms)
    return (keepalive, *KEEPALIVE, *_OPTIONS, *channel_options(endpoint.server, tls=endpoint.tls))


def _tls(endpoint: Endpoint) -> grpc.ChannelCredentials | None:
    if not endpoint.tls:
        return None
    return grpc.ssl_channel_credentials(
        endpoint.pinned_ca or _read(endpoint.tls_ca), _read(endpoint.tls_key), _read(endpoint.tls_cert)
    )


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return without_bom(path.read_bytes())
    except OSError as error:
        raise ProgramExit(
            ExitCode.USAGE, f"can't read {path}: {error.strerror}", hint="check the --tls flags"
        ) from error


class _WithToken(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
):
    """An interceptor that adds the token as metadata: gRPC refuses call credentials without TLS."""

    def __init__(self, metadata: tuple[tuple[str, str | bytes], ...]) -> None:
        self._metadata = metadata

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return self._send(continuation, client_call_details, request)

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return self._send(continuation, client_call_details, request)

    def intercept_stream_unary(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return self._send(continuation, client_call_details, request_iterator)

    def _send(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        return continuation(details._replace(metadata=(*(details.metadata or ()), *self._metadata)), request)
