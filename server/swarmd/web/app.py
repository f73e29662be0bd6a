"""Puts the routes, the live feed and the dashboard's files together behind the guard."""

from collections.abc import Collection
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.routing import Route as HttpRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from swarmd.domain.errors import SwarmError
from swarmd.web import static_files
from swarmd.web.auth import login
from swarmd.web.auth.origin_check import OriginCheck
from swarmd.web.handler import endpoint
from swarmd.web.http import openapi
from swarmd.web.http.errors import InternalFault, MethodNotAllowed, RouteNotFound
from swarmd.web.http.responses import Json, refusal
from swarmd.web.http.route import AppState
from swarmd.web.live import websocket as live
from swarmd.web.live.broadcaster import Broadcaster
from swarmd.web.routes import ROUTES, SOCKET_PATH
from swarmd.web.static_files import Files

OPENAPI_PATH = "/api/openapi.json"


def build(site: AppState, stream: Broadcaster, *, names: Collection[str], any_address: bool) -> ASGIApp:
    """The whole of it; `names` are those by which the server may be called, any address if it has them all."""
    app = Starlette(
        routes=_routes(site, stream, static_files.load()),
        exception_handlers={SwarmError: _refused, HTTPException: _not_there, Exception: _broken},
    )
    app.router.redirect_slashes = False
    return OriginCheck(app, names=names, any_address=any_address)


def _routes(site: AppState, stream: Broadcaster, found: Files) -> list[BaseRoute]:
    description = openapi.describe(ROUTES, cookie=site.cookie)

    async def describe(request: Request) -> Response:
        return Json(description)

    async def log_in(request: Request) -> Response:
        if request.method == "GET" and "code" in request.query_params:
            return await login.redeem(site, request)
        return await found.page(request)

    async def watch(socket: WebSocket) -> None:
        await live.watch(site, stream, socket)

    return [
        *(HttpRoute(route.path, endpoint(site, route), methods=[route.method]) for route in ROUTES),
        HttpRoute(OPENAPI_PATH, describe),
        HttpRoute("/", found.page),
        HttpRoute("/login", log_in),
        WebSocketRoute(SOCKET_PATH, watch),
        *(HttpRoute(path, found.file) for path in found.paths),
    ]


async def _refused(_request: Request | WebSocket, error: Exception) -> Any:
    assert isinstance(error, SwarmError)
    return refusal(error)


async def _broken(_request: Request, _error: Exception) -> Response:
    """The guard logs it."""
    return refusal(InternalFault())


async def _not_there(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return refusal(MethodNotAllowed(request.method))
    return refusal(RouteNotFound(request.url.path))
