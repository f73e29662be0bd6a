"""Streamable HTTP on loopback: each request brings the token that this program itself has.

Invariant: without the token no request reaches the protocol, and the SDK refuses foreign names of the host.
"""

import hmac
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
from mcp.server import MCPServer

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


class TokenGate:
    """An application behind a check of the bearer token."""

    def __init__(self, app: App, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and not self._is_known(scope):
            headers = [(b"content-type", b"text/plain"), (b"www-authenticate", b"Bearer")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send(
                {"type": "http.response.body", "body": b"send the token of the swarm as a bearer token\n"}
            )
            return
        await self._app(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._expected)


async def serve_http(server: MCPServer[Any], token: str, *, port: int, ready: Callable[[str], None]) -> None:
    """Serves the protocol at `http://127.0.0.1:PORT/mcp` until a signal; port 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    listener = socket.create_server(("127.0.0.1", port))
    bound = listener.getsockname()[1]
    app = TokenGate(server.streamable_http_app(host="127.0.0.1"), token)
    config = uvicorn.Config(app, log_level="error", lifespan="on")
    ready(f"http://127.0.0.1:{bound}/mcp")
    await uvicorn.Server(config).serve(sockets=[listener])
