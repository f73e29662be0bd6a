"""Authentication by bearer token or login cookie, and authorization by role and CSRF token."""

import hmac
from collections.abc import Iterable
from typing import Final

from starlette.requests import HTTPConnection

from swarmd.domain.caller_errors import RoleDenied, TokenInvalid
from swarmd.engine.auth.logins import cookie_of
from swarmd.web.http.errors import CsrfRefused
from swarmd.web.http.route import AppState, Principal
from swarmd.wire.roles import OPERATOR_SERVICE

CSRF_HEADER: Final = "x-swarm-csrf"
# A page can set no header on a WebSocket, so the CSRF token is a subprotocol there.
CSRF_PROTOCOL: Final = "csrf."
_BEARER: Final = "Bearer "


def authenticate(state: AppState, connection: HTTPConnection) -> Principal:
    """Returns the caller of a request or a WebSocket.

    Raises: TokenInvalid if it has neither a good token nor a good login.
    """
    given = connection.headers.get("authorization", "")
    if given.startswith(_BEARER):
        return Principal(state.swarm.tokens.verify(given.removeprefix(_BEARER)))
    cookie = connection.cookies.get(state.cookie, "")
    login = state.swarm.logins.find(cookie)
    if login is None:
        raise TokenInvalid
    return Principal(login.token, cookie)


def check_role(principal: Principal, rpc: str) -> None:
    """Raises RoleDenied unless the role may call this method of OperatorService."""
    if principal.token.role not in OPERATOR_SERVICE[rpc]:
        raise RoleDenied(principal.token.role, rpc)


def csrf_of(principal: Principal, given: Iterable[str]) -> str:
    """Returns the value that is the login's CSRF token, or an empty text if none is."""
    for value in given:
        if hmac.compare_digest(cookie_of(value).encode(), principal.cookie.encode()):
            return value
    return ""


def check_csrf(principal: Principal, given: Iterable[str]) -> None:
    """Raises CsrfRefused unless a value is the login's CSRF token; a bearer token needs none."""
    if principal.cookie and not csrf_of(principal, given):
        raise CsrfRefused


def session_is_valid(state: AppState, principal: Principal) -> bool:
    """Returns False once the token is revoked or the login has ended."""
    if principal.cookie:
        return state.swarm.logins.find(principal.cookie) is not None
    return state.swarm.tokens.find(principal.token.token_id) is not None
