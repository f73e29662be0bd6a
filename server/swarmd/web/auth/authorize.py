"""Who asks, by bearer token or by the cookie of a login; and whether they may."""

import hmac
from collections.abc import Iterable
from typing import Final

from starlette.requests import HTTPConnection

from swarmd.domain.errors import RoleDenied, TokenInvalid
from swarmd.web.http.errors import CsrfRefused
from swarmd.web.http.route import AppState, Principal
from swarmd.wire.roles import OPERATOR_SERVICE

CSRF_HEADER: Final = "x-swarm-csrf"
# How a WebSocket carries it: a page can set no header there.
CSRF_PROTOCOL: Final = "csrf."
_BEARER: Final = "Bearer "


def identify(site: AppState, connection: HTTPConnection) -> Principal:
    """Who asks; raises TokenInvalid for nobody."""
    given = connection.headers.get("authorization", "")
    if given.startswith(_BEARER):
        return Principal(site.swarm.tokens.verify(given.removeprefix(_BEARER)))
    cookie = connection.cookies.get(site.cookie, "")
    login = site.swarm.logins.find(cookie)
    if login is None:
        raise TokenInvalid
    return Principal(login.token, cookie, login.csrf)


def check_role(who: Principal, verb: str) -> None:
    """Raises RoleDenied unless the verb is for that role."""
    if who.token.role not in OPERATOR_SERVICE[verb]:
        raise RoleDenied(who.token.role, verb)


def check_csrf(who: Principal, given: Iterable[str]) -> None:
    """Raises CsrfRefused unless one of these is the login's token; a bearer token needs none."""
    if who.cookie and not any(hmac.compare_digest(who.csrf.encode(), one.encode()) for one in given):
        raise CsrfRefused


def still_holds(site: AppState, who: Principal) -> bool:
    """Whether the token is not revoked, and the login not over."""
    if who.cookie:
        return site.swarm.logins.find(who.cookie) is not None
    return site.swarm.tokens.find(who.token.token_id) is not None
