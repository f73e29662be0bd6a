"""The WebSocket of the live feed: authenticates the caller and sends frames; ignores what the caller sends."""

import asyncio
import contextlib
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from swarmd.engine.live.wakeups import SubscriberKind
from swarmd.web.auth import authorize
from swarmd.web.http.params import Param, integer
from swarmd.web.http.route import AppState, Principal
from swarmd.web.live.broadcaster import Broadcaster
from swarmd.web.live.subscriber import Subscriber

PROTOCOL: Final = "swarm.v1"
RPC: Final = "WatchEvents"
AFTER: Final[Param[int]] = integer(
    "after", "The `seq` or `to` of the last frame seen; a snapshot comes first without it.", default=0
)
EPOCH: Final[Param[int]] = integer(
    "epoch", "The `epoch` of the status seen last; of another one a snapshot comes first.", default=0
)
# Close code 1008 makes the page ask for a login.
LOGIN_OVER: Final = 1008


async def watch(state: AppState, broadcaster: Broadcaster, socket: WebSocket) -> None:
    """Sends frames until the client disconnects, the login ends or the server stops.

    Raises: TokenInvalid, RoleDenied, CsrfRefused or TooManyStreams before the socket is accepted.
    """
    principal = authorize.authenticate(state, socket)
    authorize.check_role(principal, RPC)
    offered = socket.scope["subprotocols"]
    authorize.check_csrf(
        principal,
        [
            name.removeprefix(authorize.CSRF_PROTOCOL)
            for name in offered
            if name.startswith(authorize.CSRF_PROTOCOL)
        ],
    )
    after = await _after(state, socket)
    subscriber = broadcaster.subscribe(after, principal.token.token_id)
    tasks: list[asyncio.Task[None]] = []
    try:
        await socket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
        tasks.append(asyncio.create_task(_send(state, principal, socket, subscriber)))
        tasks.append(asyncio.create_task(_until_disconnected(socket)))
        with state.swarm.wakeups.subscribe(SubscriberKind.WEBSOCKET):
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        broadcaster.unsubscribe(subscriber)
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await task


async def _after(state: AppState, socket: WebSocket) -> int | None:
    given = socket.query_params
    if AFTER.name not in given:
        return None
    after = AFTER.read(AFTER.name, given[AFTER.name])
    if EPOCH.name in given:
        status = await state.reads.swarm()
        if EPOCH.read(EPOCH.name, given[EPOCH.name]) != status.epoch:
            return None
    return after


async def _send(state: AppState, principal: Principal, socket: WebSocket, subscriber: Subscriber) -> None:
    while True:
        frame = await subscriber.next_frame()
        if not authorize.session_is_valid(state, principal):
            await socket.close(LOGIN_OVER, "log in again")
            return
        await socket.send_text(frame)


async def _until_disconnected(socket: WebSocket) -> None:
    """Returns when the client disconnects; discards every message."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
