"""Authentication by bearer token or login cookie, and authorization by role and CSRF token."""

import hmac
from collections.abc import Iterable
from typing import Final

from starlette.requests import HTTPConnection

from swarmd.domain.errors import RoleDenied, TokenInvalid
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
    return Principal(login.token, cookie, login.csrf)


def check_role(principal: Principal, rpc: str) -> None:
    """Raises RoleDenied unless the role may call this method of OperatorService."""
    if principal.token.role not in OPERATOR_SERVICE[rpc]:
        raise RoleDenied(principal.token.role, rpc)


def check_csrf(principal: Principal, given: Iterable[str]) -> None:
    """Raises CsrfRefused unless a value is the login's CSRF token; a bearer token needs none."""
    right = principal.csrf.encode()
    if principal.cookie and not any(hmac.compare_digest(right, value.encode()) for value in given):
        raise CsrfRefused


def session_is_valid(state: AppState, principal: Principal) -> bool:
    """Returns False once the token is revoked or the login has ended."""
    if principal.cookie:
        return state.swarm.logins.find(principal.cookie) is not None
    return state.swarm.tokens.find(principal.token.token_id) is not None
