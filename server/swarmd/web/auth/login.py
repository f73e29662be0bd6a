"""Logging a browser in and out: a link that is good once, or a token that is pasted, becomes a cookie."""

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


async def me(site: AppState, ask: ApiRequest) -> Document:
    """Who asks, as the server knows them."""
    assert ask.who is not None
    return _me(site, ask.who)


async def log_in(site: AppState, ask: ApiRequest) -> Response:
    """Takes a pasted token."""
    token = site.swarm.access.record_of(ask.of(TOKEN).strip())
    authorize.check_role(Principal(token), "GetSwarm")
    secret = await _begin(site, token, ask.cookie)
    return _with_cookie(site, Json(_me(site, Principal(token, secret, csrf_of(secret)))), secret)


async def log_out(site: AppState, ask: ApiRequest) -> Response:
    """Ends the login."""
    if ask.cookie:
        await site.swarm.db.write(partial(site.swarm.logins.end, secret=ask.cookie))
    response = Json({"logged_out": True})
    response.delete_cookie(site.cookie, path="/", secure=site.secure, httponly=True, samesite="strict")
    return response


async def redeem(site: AppState, request: Request) -> Response:
    """Takes the code of a link; leads on to the page, which asks for a token if the code was no good."""
    try:
        token = site.swarm.logins.redeem(request.query_params["code"])
    except LoginExpired:
        return RedirectResponse("/?login=expired", 303)
    secret = await _begin(site, token, request.cookies.get(site.cookie, ""))
    return _with_cookie(site, RedirectResponse("/", 303), secret)


async def _begin(site: AppState, token: TokenRecord, old: str) -> str:
    return await site.swarm.db.write(partial(site.swarm.logins.begin, token=token, instead_of=old))


def _with_cookie(site: AppState, response: Response, secret: str) -> Response:
    response.set_cookie(
        site.cookie, secret, max_age=LOGIN_S, path="/", secure=site.secure, httponly=True, samesite="strict"
    )
    return response


def _me(site: AppState, who: Principal) -> dict[str, Any]:
    return {
        "name": who.token.name,
        "role": who.token.role,
        "csrf": who.csrf,
        "version": __version__,
        "swarm_id": site.swarm.swarm_id,
    }
