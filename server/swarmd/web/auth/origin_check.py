"""The check of Host and Origin before every route.

Invariant: a browser's request is not taken for its user's intent. A foreign Host is refused for reads too (DNS
rebinding). Requests that act, and the WebSocket, come from the server's own page or carry a bearer token, which
a page of another site does not have.
"""

import ipaddress
import re
from collections.abc import Collection
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from swarmd.domain.errors import SwarmError
from swarmd.web.http.errors import HeadTooLarge, HostRefused, InternalFault, OriginRefused
from swarmd.web.http.responses import HEADERS, error_response

# The longest request head in bytes: line and headers.
MAX_HEAD: Final = 16 * 1024
LOOPBACK: Final = frozenset({"127.0.0.1", "[::1]", "localhost"})
_NAME: Final = r"(\[[0-9a-f:.]+\]|[^:@/\s]+)(?::(\d{1,5}))?"
_HOST: Final = re.compile(_NAME, re.IGNORECASE)
_ORIGIN: Final = re.compile(rf"(https?)://{_NAME}", re.IGNORECASE)
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_SAFE: Final = ("GET", "HEAD")
# Sec-Fetch-Site of a request of our own page, or of an address that the user typed.
_OWN_SITES: Final = ("same-origin", "none")

_log = structlog.get_logger("swarmd.web")


class OriginCheck:
    """ASGI middleware that refuses foreign hosts and origins and adds the security headers to every response."""

    def __init__(self, app: ASGIApp, *, names: Collection[str], any_address: bool) -> None:
        self._app = app
        self._names = names
        self._any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, send_with_headers)
        except SwarmError as error:
            await error_response(error)(scope, receive, send_with_headers)
        except Exception:  # noqa: BLE001  # a bug in a route must not show its insides
            _log.exception("a route failed", path=scope["path"])
            if not started:
                await error_response(InternalFault())(scope, receive, send_with_headers)

    def _check(self, scope: Scope) -> None:
        if _head_bytes(scope) > MAX_HEAD:
            raise HeadTooLarge(MAX_HEAD)
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_own_name(hosts[0]):
            raise HostRefused(", ".join(hosts)[:100])
        if scope["type"] == "websocket" or scope["method"] not in _SAFE:
            _check_origin(headers, hosts[0])

    def _is_own_name(self, host: str) -> bool:
        name = name_of(host)
        # DNS rebinding needs a name; an address can't be rebound.
        return name in self._names or (self._any_address and _is_address(name))


def name_of(host: str) -> str:
    """Returns the host name of a Host header, without its port and in lower case; empty if it is malformed."""
    match = _HOST.fullmatch(host)
    return match[1].lower() if match else ""


def _head_bytes(scope: Scope) -> int:
    """Returns the length of the request's head; h11's own limit is for a head that has not arrived whole."""
    fields = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    return len(scope["raw_path"]) + len(scope["query_string"]) + fields


def _check_origin(headers: Headers, host: str) -> None:
    """Raises OriginRefused unless the request comes from our own page or has a bearer token."""
    origins = headers.getlist("origin")
    if not origins:
        # Browsers send Origin with every such request, and never a bearer token by themselves.
        if not headers.get("authorization", "").startswith("Bearer "):
            raise OriginRefused("the request has no Origin header")
    elif len(origins) != 1 or not _is_same_origin(origins[0], host):
        raise OriginRefused(
            f"the request's Origin is {', '.join(origins)[:100]!r} and its Host is {host[:100]!r}"
        )
    site = headers.get("sec-fetch-site", "none")
    if site not in _OWN_SITES:
        raise OriginRefused(f"the request's Sec-Fetch-Site is {site[:20]!r}")


def _is_same_origin(origin: str, host: str) -> bool:
    """Compares host name and port; a missing port is the default port of the origin's scheme.

    A proxy that ends TLS may forward `Host: name:443` for the page `https://name`.
    """
    page, own = _ORIGIN.fullmatch(origin), _HOST.fullmatch(host)
    if page is None or own is None:
        return False
    default = _DEFAULT_PORTS[page[1].lower()]
    return (page[2].lower(), page[3] or default) == (own[1].lower(), own[2] or default)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
