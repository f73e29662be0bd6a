"""Serves the HTTP face in the daemon's own event loop: its address, its limits, its end."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from swarmd.engine.swarm import Swarm
from swarmd.metrics.exposition import Metrics
from swarmd.web.app import build
from swarmd.web.auth.origin_check import LOOPBACK
from swarmd.web.http.route import AppState
from swarmd.web.live.broadcaster import Broadcaster
from swarmd.wire.actions import Actions
from swarmd.wire.reads import Reads

STOP_GRACE_S: Final = 1
# More connections than viewers and scrapers ever need; each costs a few kilobytes.
MAX_CONNECTIONS: Final = 1_000
# A request's line and headers, in bytes, and how long they may take.
MAX_HEAD: Final = 16 * 1024
HEAD_WITHIN_S: Final = 10.0
KEEP_ALIVE_S: Final = 30
MAX_FRAME: Final = 64 * 1024
_ALL_ADDRESSES: Final = ("0.0.0.0", "[::]")  # noqa: S104  # only with TLS, which the daemon sees to


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to serve, and by which names."""

    address: str
    # Both or none.
    cert: Path | None = None
    key: Path | None = None
    names: Collection[str] = ()
    metrics_open: bool = False


class WebServer:
    """Serves one swarm over HTTP."""

    def __init__(self, swarm: Swarm, looks: Reads, metrics: Metrics, place: ListenAddress) -> None:
        self._swarm = swarm
        self._looks = looks
        self._metrics = metrics
        self._place = place
        self._stream = Broadcaster(swarm, looks)

    async def start(self) -> str:
        """Serves; returns where. Raises OSError if the address can't be had, or the certificate can't be read."""
        listener = _listen(self._place.address)
        host, port = self._place.address.rpartition(":")[0], listener.getsockname()[1]
        secure = self._place.cert is not None
        try:
            self._server = _Server(self._config(host, port, secure=secure))
            self._server.config.load()
        except BaseException:
            listener.close()
            raise
        self._serving = asyncio.create_task(self._server.serve([listener]))
        self._feeding = asyncio.create_task(self._stream.run())
        await self._server.up.wait()
        url = f"{'https' if secure else 'http'}://{host}:{port}"
        self._swarm.logins.url = url
        return url

    async def stop(self) -> None:
        """Closes every connection, those of viewers too."""
        self._swarm.logins.url = ""
        self._server.down.set()
        await self._serving
        self._feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._feeding

    def _config(self, host: str, port: int, *, secure: bool) -> uvicorn.Config:
        cookie = f"swarm-{port}"
        site = AppState(
            swarm=self._swarm,
            looks=self._looks,
            metrics=self._metrics,
            verbs=Actions(self._swarm, self._looks),
            cookie=f"__Host-{cookie}" if secure else cookie,
            secure=secure,
            metrics_open=self._place.metrics_open,
        )
        names = {*LOOPBACK, host.lower(), *(name.lower() for name in self._place.names)}
        # What a stranger sends is no news; what fails in a route is logged by the guard.
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
        return uvicorn.Config(
            build(site, self._stream, names=names, any_address=host in _ALL_ADDRESSES),
            http=_HeaderTimeoutProtocol,
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_GRACE_S,
            h11_max_incomplete_event_size=MAX_HEAD,
            ws_max_size=MAX_FRAME,
            ws_per_message_deflate=False,
            ssl_certfile=self._place.cert,
            ssl_keyfile=self._place.key,
            ssl_version=ssl.PROTOCOL_TLS_SERVER,
        )


class _Server(uvicorn.Server):
    """Leaves the signals to the daemon, and sleeps until it is told to end instead of looking ten times a second."""

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
    """Hangs up on those who open a connection and don't say what they want."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(HEAD_WITHIN_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        if self.transport.get_protocol() is not self:
            return  # it is a WebSocket now
        if self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None:
            self.transport.close()
            return
        self._timer = self.loop.call_later(HEAD_WITHIN_S, self._look)


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, where = found[0]
    # The protocol is named: asyncio sends at once only on sockets that are known to be TCP.
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.setblocking(False)  # as the standard library has it
    except BaseException:
        listener.close()
        raise
    return listener
