"""The HTTP server, which runs in the daemon's event loop: its address, limits and shutdown."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from swarmd.engine.swarm import Swarm
from swarmd.metrics.exposition import Metrics
from swarmd.tls.files import TlsFiles
from swarmd.web.app import build
from swarmd.web.auth.origin_check import LOOPBACK, MAX_HEAD
from swarmd.web.auth.proxies import Network, ProxiedRequests
from swarmd.web.http.route import AppState
from swarmd.web.live.broadcaster import Broadcaster
from swarmd.wire.actions import Actions
from swarmd.wire.reads import Reads

STOP_GRACE_S: Final = 1
# More connections than browsers and scrapers ever need; each costs a few kilobytes.
MAX_CONNECTIONS: Final = 1_000
BACKLOG: Final = 512
# The time in which a request's line and headers must arrive.
HEAD_WITHIN_S: Final = 10.0
KEEP_ALIVE_S: Final = 30
MAX_FRAME: Final = 64 * 1024
_ALL_ADDRESSES: Final = ("0.0.0.0", "[::]")  # noqa: S104  # only with TLS; the daemon refuses anything else


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An address to serve on, with its TLS files and host names."""

    address: str
    tls: TlsFiles | None = None
    names: Collection[str] = ()
    metrics_open: bool = False
    # The path below which browsers see the server; empty or with a slash before each part.
    path: str = ""
    trusted_proxies: Sequence[Network] = ()


class WebServer:
    """The HTTP server of one swarm."""

    def __init__(self, swarm: Swarm, reads: Reads, metrics: Metrics, listen: ListenAddress) -> None:
        self._swarm = swarm
        self._reads = reads
        self._metrics = metrics
        self._listen = listen
        self._broadcaster = Broadcaster(swarm, reads)

    async def start(self) -> str:
        """Starts to serve and returns the URL.

        Raises: OSError if the address can't be bound or the certificate can't be read.
        """
        listener = _listen(self._listen.address)
        host, port = self._listen.address.rpartition(":")[0], listener.getsockname()[1]
        secure = self._listen.tls is not None
        try:
            self._server = _Server(self._config(host, port, secure=secure))
            self._server.config.load()
        except BaseException:
            listener.close()
            raise
        self._serving = asyncio.create_task(self._server.serve([listener]))
        self._broadcasting = asyncio.create_task(self._broadcaster.run())
        await self._server.up.wait()
        url = f"{'https' if secure else 'http'}://{host}:{port}"
        self._swarm.logins.url = f"{url}{self._listen.path}"
        return url

    def reload_tls(self) -> None:
        """Takes a changed certificate for new connections."""
        if self._listen.tls is not None:
            context = self._server.config.ssl
            assert context is not None
            self._listen.tls.load_into(context)

    async def stop(self) -> None:
        """Closes every connection, WebSockets included."""
        self._swarm.logins.url = ""
        self._server.down.set()
        await self._serving
        self._broadcasting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._broadcasting

    def _config(self, host: str, port: int, *, secure: bool) -> uvicorn.Config:
        # Two servers below paths of one host may have the same port there.
        cookie = f"swarm-{port}{self._listen.path.replace('/', '-')}"
        state = AppState(
            swarm=self._swarm,
            reads=self._reads,
            metrics=self._metrics,
            actions=Actions(self._swarm, self._reads),
            cookie=f"__Host-{cookie}" if secure else cookie,
            metrics_open=self._listen.metrics_open,
        )
        names = {*LOOPBACK, host.lower(), *(name.lower() for name in self._listen.names)}
        # Malformed requests of strangers are not logged; OriginCheck logs failures of routes.
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
        app = build(state, self._broadcaster, names=names, any_address=host in _ALL_ADDRESSES)
        return uvicorn.Config(
            ProxiedRequests(app, path=self._listen.path, trusted=self._listen.trusted_proxies),
            http=_HeaderTimeoutProtocol,
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            # Without descriptors asyncio tries as many accepts at once, each with a timer for the next try.
            backlog=BACKLOG,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_GRACE_S,
            h11_max_incomplete_event_size=MAX_HEAD,
            ws_max_size=MAX_FRAME,
            ws_per_message_deflate=False,
            ssl_certfile=self._listen.tls.cert if self._listen.tls else None,
            ssl_keyfile=self._listen.tls.key if self._listen.tls else None,
            ssl_version=ssl.PROTOCOL_TLS_SERVER,
        )


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the daemon and waits for an event in place of polling."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self.down = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn."""
        yield

    async def main_loop(self) -> None:
        """See uvicorn."""
        await self.on_tick(0)
        self.up.set()
        await self.down.wait()


class _HeaderTimeoutProtocol(H11Protocol):
    """An HTTP protocol that closes connections whose request does not arrive in time."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(HEAD_WITHIN_S, self._close_if_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hands the connection to the WebSocket protocol; closes it if that can't read the head.

        The protocol's own limits are lower than h11's. It would keep such a connection, and fail at shutdown.
        """
        super().handle_websocket_upgrade(event)
        protocol: Any = self.transport.get_protocol()
        if not protocol.handshake_initiated:
            self.transport.abort()

    def _close_if_idle(self) -> None:
        if self.transport.get_protocol() is not self:
            return  # the connection has become a WebSocket
        if self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None:
            self.transport.close()
            return
        self._timer = self.loop.call_later(HEAD_WITHIN_S, self._close_if_idle)


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, where = found[0]
    # The protocol is explicit: asyncio sets TCP_NODELAY only on sockets that it knows to be TCP.
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.setblocking(False)  # asyncio requires it
    except BaseException:
        listener.close()
        raise
    return listener
