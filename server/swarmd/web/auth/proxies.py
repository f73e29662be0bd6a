"""Requests that a proxy forwards: the path before every route, and the headers about the browser.

Invariant: a header about the browser counts only if the connection comes from a network that the operator has named.
Of its values only the last counts, which the nearest proxy has written: a browser may send such headers too.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_SECURE: Final = {"http": "https", "ws": "wss", "https": "https", "wss": "wss"}


class ProxiedRequests:
    """ASGI middleware that shows the application each request as the browser has made it.

    The path is taken off where it is there. A request without it is served too: a proxy may have taken it off, and
    programs of this host need none.
    """

    def __init__(self, app: ASGIApp, *, path: str = "", trusted: Sequence[Network] = ()) -> None:
        self._app = app
        self._path = path
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if self._path and scope["path"] == self._path:
            # Relative addresses of the page need the slash. The address is relative, so the proxy's own path stays.
            await RedirectResponse(f".{self._path[self._path.rfind('/') :]}/", 308)(scope, receive, send)
            return
        if self._is_trusted(_peer(scope)):
            scope = self._as_forwarded(scope)
        if self._path and scope["path"].startswith(f"{self._path}/"):
            raw = scope["raw_path"]
            prefix = self._path.encode()
            scope = {
                **scope,
                "path": scope["path"][len(self._path) :],
                "raw_path": raw.removeprefix(prefix),
            }
        await self._app(scope, receive, send)

    def _is_trusted(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address.strip())
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None) or found
        return any(mapped in network for network in self._trusted)

    def _as_forwarded(self, scope: Scope) -> Scope:
        """Returns the request with the browser's address, scheme and host as far as the proxy names them."""
        headers = Headers(scope=scope)
        scope = dict(scope)
        if (client := self._client(headers)) is not None:
            scope["client"] = (client, 0)
        if _nearest(headers, "x-forwarded-proto").lower() in ("https", "wss"):
            scope["scheme"] = _SECURE[scope.get("scheme", "http")]
        if host := _nearest(headers, "x-forwarded-host"):
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [(b"host", host.encode("latin-1")), *others]
        return scope

    def _client(self, headers: Headers) -> str | None:
        """Returns the nearest address of another network; None if it is missing or can't be read."""
        for address in reversed(list(_values(headers, "x-forwarded-for"))):
            if not self._is_trusted(address):
                try:
                    return str(ipaddress.ip_address(address))
                except ValueError:
                    return None
        return None


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _values(headers: Headers, name: str) -> Iterator[str]:
    for line in headers.getlist(name):
        yield from (value.strip() for value in line.split(","))


def _nearest(headers: Headers, name: str) -> str:
    """Returns what the nearest proxy has written; empty if there is no such header."""
    found = list(_values(headers, name))
    return found[-1] if found else ""
