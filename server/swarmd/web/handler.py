"""The endpoint of a route: authenticates, authorizes, reads the parameters, calls the route's handler."""

import asyncio
import ipaddress
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from swarmd.domain.caller_errors import TokenInvalid
from swarmd.domain.errors import InvalidRequest
from swarmd.store.ordered_by import NOBODY, ORDERED_BY, OrderedBy
from swarmd.web.auth import authorize
from swarmd.web.auth.origin_check import LOOPBACK, name_of
from swarmd.web.http.errors import BodyTooLarge, BodyTooSlow, ContentTypeRefused
from swarmd.web.http.kept_answers import HEADER
from swarmd.web.http.openapi import TASK_FILE_KINDS
from swarmd.web.http.params import Param, is_text
from swarmd.web.http.responses import Json
from swarmd.web.http.route import ApiRequest, AppState, Principal, Route

MAX_BODY: Final = 1024 * 1024
MAX_TASK_FILE: Final = 16 * 1024 * 1024
BODY_WITHIN_S: Final = 10.0


def endpoint(state: AppState, route: Route) -> Callable[[Request], Awaitable[Response]]:
    """Returns the function that Starlette calls for the route."""

    async def respond(request: Request) -> Response:
        principal = _authorize(state, route, request)
        given = _query(request, route.query)
        if route.method == "POST":
            ORDERED_BY.set(NOBODY if principal is None else OrderedBy(principal.token.name))
        task_file = ""
        if route.takes_task_file:
            task_file = await _read_task_file(request)
        elif route.method == "POST":
            given |= _body(await _read(request), route.body)
        response = await route.handle(
            state,
            ApiRequest(
                principal,
                request.path_params,
                given,
                cookie=request.cookies.get(state.cookie, ""),
                csrf=_csrf(request, principal),
                secure=request.url.scheme == "https",
                task_file=task_file,
                idempotency_key=request.headers.get(HEADER, ""),
            ),
        )
        if principal and route.method == "GET" and not authorize.session_is_valid(state, principal):
            # The token was revoked while the route waited for something new.
            raise TokenInvalid
        return response if isinstance(response, Response) else Json(response, status_code=route.status)

    return respond


def _authorize(state: AppState, route: Route, request: Request) -> Principal | None:
    """Returns the caller, None if the route needs none."""
    if not route.rpc or (route.scraped and state.metrics_open and _is_loopback_client(request)):
        return None
    principal = authorize.authenticate(state, request)
    authorize.check_role(principal, route.rpc)
    if not route.without_csrf:
        # For reads too: another program of this host may have the cookie, but never the CSRF token.
        authorize.check_csrf(principal, request.headers.getlist(authorize.CSRF_HEADER))
    return principal


def _csrf(request: Request, principal: Principal | None) -> str:
    if principal is None or not principal.cookie:
        return ""
    return authorize.csrf_of(principal, request.headers.getlist(authorize.CSRF_HEADER))


def _is_loopback_client(request: Request) -> bool:
    """Returns True for a program on this host; a request that a proxy on this host forwards is not one."""
    if request.client is None or not ipaddress.ip_address(request.client.host).is_loopback:
        return False
    forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-forwarded-host"))
    return not forwarded and name_of(request.headers["host"]) in LOOPBACK


def _query(request: Request, fields: Sequence[Param[Any]]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for field in fields:
        found = request.query_params.getlist(field.name)
        if field.repeated:
            given[field.name] = field.read(field.name, found)
        elif found:
            given[field.name] = field.read(field.name, found[-1])
    return given


def _body(body: Mapping[str, Any], fields: Sequence[Param[Any]]) -> dict[str, Any]:
    known = {field.name: field for field in fields}
    for name in body:
        if name not in known:
            raise InvalidRequest(
                name[:100], f"is not a field of this route; known are: {', '.join(known) or 'none'}"
            )
    return {name: known[name].read(name, value) for name, value in body.items()}


async def _read(request: Request) -> Mapping[str, Any]:
    """Reads the JSON object of the body; an empty body is an empty object."""
    _check_content_type(request, "application/json")
    raw = await _raw(request, MAX_BODY)
    try:
        found = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        raise InvalidRequest("body", "is not valid JSON") from None
    if not is_text(found):
        raise InvalidRequest("body", r"has half of a surrogate pair, such as \ud800; send whole characters")
    if not isinstance(found, dict):
        raise InvalidRequest("body", "must be a JSON object")
    return found


async def _read_task_file(request: Request) -> str:
    """Reads a task file, in JSON or YAML."""
    _check_content_type(request, *TASK_FILE_KINDS)
    raw = await _raw(request, MAX_TASK_FILE)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest("body", f"is not valid UTF-8 at byte {error.start}") from None


def _check_content_type(request: Request, *kinds: str) -> None:
    """Raises ContentTypeRefused for other types, such as those that a form sends across origins."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in kinds:
        raise ContentTypeRefused(*kinds)


async def _raw(request: Request, limit: int) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise BodyTooLarge(limit)
    except TimeoutError:
        raise BodyTooSlow from None
    except ClientDisconnect:
        raise BodyTooSlow from None
    return bytes(body)
