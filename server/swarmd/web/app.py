"""The ASGI application: routes, live feed and dashboard files behind the origin check."""

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
from swarmd.web.http.responses import Json, error_response
from swarmd.web.http.route import AppState
from swarmd.web.live import websocket as live
from swarmd.web.live.broadcaster import Broadcaster
from swarmd.web.routes import ROUTES, SOCKET_PATH
from swarmd.web.static_files import Files

OPENAPI_PATH = "/api/openapi.json"


def build(state: AppState, broadcaster: Broadcaster, *, names: Collection[str], any_address: bool) -> ASGIApp:
    """Builds the application.

    `names` are the host names that the server answers to; with `any_address` it answers to every IP address too.
    """
    app = Starlette(
        routes=_routes(state, broadcaster, static_files.load()),
        exception_handlers={SwarmError: _swarm_error, HTTPException: _http_error, Exception: _internal_error},
    )
    app.router.redirect_slashes = False
    return OriginCheck(app, names=names, any_address=any_address)


def _routes(state: AppState, broadcaster: Broadcaster, files: Files) -> list[BaseRoute]:
    description = openapi.describe(ROUTES, cookie=state.cookie)

    async def describe(request: Request) -> Response:
        return Json(description)

    async def log_in(request: Request) -> Response:
        if request.method == "GET" and "code" in request.query_params:
            return await login.redeem(state, request)
        return await files.page(request)

    async def watch(socket: WebSocket) -> None:
        await live.watch(state, broadcaster, socket)

    return [
        *(HttpRoute(route.path, endpoint(state, route), methods=[route.method]) for route in ROUTES),
        HttpRoute(OPENAPI_PATH, describe),
        HttpRoute("/", files.page),
        HttpRoute("/login", log_in),
        WebSocketRoute(SOCKET_PATH, watch),
        *(HttpRoute(path, files.file) for path in files.paths),
    ]


async def _swarm_error(_request: Request | WebSocket, error: Exception) -> Any:
    assert isinstance(error, SwarmError)
    return error_response(error)


async def _internal_error(_request: Request, _error: Exception) -> Response:
    """Returns the response; OriginCheck logs the error."""
    return error_response(InternalFault())


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return error_response(MethodNotAllowed(request.method))
    return error_response(RouteNotFound(request.url.path))
