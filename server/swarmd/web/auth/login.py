"""Login and logout of browsers: a one-time link, or a pasted token, becomes a cookie."""

from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from amplifier_swarm import __version__
from amplifier_swarm.documents import Document
from swarmd.domain.errors import LoginExpired
from swarmd.engine.auth.logins import LOGIN_S, csrf_of
from swarmd.store.tokens import TokenRecord
from swarmd.web.auth import authorize
from swarmd.web.http.params import Param, text
from swarmd.web.http.responses import Json
from swarmd.web.http.route import ApiRequest, AppState, Principal

TOKEN: Final[Param[str]] = text("token", "A token of this swarm.", limit=200)


async def me(state: AppState, request: ApiRequest) -> Document:
    """Returns the caller's name, role and CSRF token."""
    assert request.principal is not None
    return _principal_document(state, request.principal)


async def log_in(state: AppState, request: ApiRequest) -> Response:
    """Logs a browser in by a pasted token.

    Raises: TokenInvalid, or RoleDenied for a worker's token.
    """
    token = state.swarm.tokens.verify(request.get(TOKEN).strip())
    authorize.check_role(Principal(token), "GetSwarm")
    secret = await _log_in(state, token, request.cookie)
    return _with_cookie(
        state, Json(_principal_document(state, Principal(token, secret, csrf_of(secret)))), secret
    )


async def log_out(state: AppState, request: ApiRequest) -> Response:
    """Ends the login and deletes its cookie."""
    if request.cookie:
        await state.swarm.db.write(partial(state.swarm.logins.log_out, secret=request.cookie))
    response = Json({"logged_out": True})
    response.delete_cookie(state.cookie, path="/", secure=state.secure, httponly=True, samesite="strict")
    return response


async def redeem(state: AppState, request: Request) -> Response:
    """Logs a browser in by a link's code and redirects to the page; after a bad code the page asks for a token."""
    try:
        token = state.swarm.logins.redeem(request.query_params["code"])
    except LoginExpired:
        return RedirectResponse("/?login=expired", 303)
    secret = await _log_in(state, token, request.cookies.get(state.cookie, ""))
    return _with_cookie(state, RedirectResponse("/", 303), secret)


async def _log_in(state: AppState, token: TokenRecord, old: str) -> str:
    return await state.swarm.db.write(partial(state.swarm.logins.log_in, token=token, instead_of=old))


def _with_cookie(state: AppState, response: Response, secret: str) -> Response:
    response.set_cookie(
        state.cookie, secret, max_age=LOGIN_S, path="/", secure=state.secure, httponly=True, samesite="strict"
    )
    return response


def _principal_document(state: AppState, principal: Principal) -> dict[str, Any]:
    return {
        "name": principal.token.name,
        "role": principal.token.role,
        "csrf": principal.csrf,
        "version": __version__,
        "swarm_id": state.swarm.swarm_id,
    }
