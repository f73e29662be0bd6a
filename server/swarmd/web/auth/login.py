"""Login and logout of browsers: a one-time link, or a pasted token, becomes a cookie and a CSRF token.

The answer to a pasted token has the CSRF token. The answer to a link is a redirect, so the page asks for the CSRF
token with its first `/api/me`; later calls get it only if they send it.
"""

from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from amplifier_swarm import __version__
from amplifier_swarm.documents import Document
from swarmd.domain.caller_errors import LoginExpired
from swarmd.engine.auth.logins import LOGIN_S, NewLogin
from swarmd.store.tokens import TokenRecord
from swarmd.web.auth import authorize
from swarmd.web.http.params import Param, text
from swarmd.web.http.responses import Json
from swarmd.web.http.route import ApiRequest, AppState, Principal

TOKEN: Final[Param[str]] = text("token", "A token of this swarm.", limit=200)
# The mark of a page that a login link has led to.
NEW: Final = "new"
LOGIN: Final[Param[str]] = text(
    "login",
    "`new` right after a login link: ends the login if its CSRF token was handed over before.",
    limit=20,
)


async def me(state: AppState, request: ApiRequest) -> Document:
    """Returns the caller's name, role and, once after a login by a link, the CSRF token.

    Raises: LoginExpired if the page has just logged in and the CSRF token was handed over before. Another program with
    the cookie asked for it, so the login is ended.
    """
    principal = request.principal
    assert principal is not None
    csrf = request.csrf or state.swarm.logins.hand_over_csrf(principal.cookie)
    if principal.cookie and not csrf and request.get(LOGIN) == NEW:
        await state.swarm.db.write(partial(state.swarm.logins.log_out, secret=principal.cookie))
        raise LoginExpired
    return _principal_document(state, principal, csrf)


async def log_in(state: AppState, request: ApiRequest) -> Response:
    """Logs a browser in by a pasted token.

    Raises: TokenInvalid, or RoleDenied for a worker's token.
    """
    token = state.swarm.tokens.verify(request.get(TOKEN).strip())
    authorize.check_role(Principal(token), "GetSwarm")
    login = await _log_in(state, token, request.cookie)
    response = Json(_principal_document(state, Principal(token), login.csrf))
    return _with_cookie(state, response, login.cookie, secure=request.secure)


async def log_out(state: AppState, request: ApiRequest) -> Response:
    """Ends the login and deletes its cookie."""
    if request.cookie:
        await state.swarm.db.write(partial(state.swarm.logins.log_out, secret=request.cookie))
    response = Json({"logged_out": True})
    response.delete_cookie(state.cookie, path="/", secure=request.secure, httponly=True, samesite="strict")
    return response


async def redeem(state: AppState, request: Request) -> Response:
    """Logs a browser in by a link's code and redirects to the page; after a bad code the page asks for a token."""
    try:
        token = state.swarm.logins.redeem(request.query_params["code"])
    except LoginExpired:
        return RedirectResponse("./?login=expired", 303)
    login = await _log_in(state, token, request.cookies.get(state.cookie, ""))
    state.swarm.logins.hold_csrf(login)
    response = RedirectResponse(f"./?login={NEW}", 303)
    return _with_cookie(state, response, login.cookie, secure=request.url.scheme == "https")


async def _log_in(state: AppState, token: TokenRecord, old: str) -> NewLogin:
    return await state.swarm.db.write(partial(state.swarm.logins.log_in, token=token, instead_of=old))


def _with_cookie(state: AppState, response: Response, cookie: str, *, secure: bool) -> Response:
    response.set_cookie(
        state.cookie, cookie, max_age=LOGIN_S, path="/", secure=secure, httponly=True, samesite="strict"
    )
    return response


def _principal_document(state: AppState, principal: Principal, csrf: str) -> dict[str, Any]:
    return {
        "name": principal.token.name,
        "role": principal.token.role,
        "csrf": csrf,
        "version": __version__,
        "swarm_id": state.swarm.swarm_id,
    }
