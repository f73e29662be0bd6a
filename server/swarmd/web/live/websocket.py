"""The WebSocket of the live feed: checks who looks on, sends what the feed has for them, reads nothing they say."""

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
VERB: Final = "WatchEvents"
AFTER: Final[Param[int]] = integer(
    "after", "The `seq` or `to` of the last frame seen; a snapshot comes first without it.", default=0
)
EPOCH: Final[Param[int]] = integer(
    "epoch", "The `epoch` of the status seen last; of another one a snapshot comes first.", default=0
)
# The code by which a page knows that it has to log in again.
LOGIN_OVER: Final = 1008


async def watch(site: AppState, stream: Broadcaster, socket: WebSocket) -> None:
    """Follows until the viewer goes, the login ends or the server stops."""
    who = authorize.identify(site, socket)
    authorize.check_role(who, VERB)
    offered = socket.scope["subprotocols"]
    authorize.check_csrf(
        who,
        [
            one.removeprefix(authorize.CSRF_PROTOCOL)
            for one in offered
            if one.startswith(authorize.CSRF_PROTOCOL)
        ],
    )
    after = await _after(site, socket)
    await socket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
    viewer = stream.join(after)
    reading = site.swarm.wakeups.subscribe(SubscriberKind.WEBSOCKET)
    sending = asyncio.create_task(_send(site, who, socket, viewer))
    hearing = asyncio.create_task(_hear(socket))
    try:
        with reading:
            await asyncio.wait({sending, hearing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stream.leave(viewer)
        for task in (sending, hearing):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await task


async def _after(site: AppState, socket: WebSocket) -> int | None:
    given = socket.query_params
    if AFTER.name not in given:
        return None
    after = AFTER.read(AFTER.name, given[AFTER.name])
    if EPOCH.name in given:
        status = await site.looks.swarm()
        if EPOCH.read(EPOCH.name, given[EPOCH.name]) != status.epoch:
            return None
    return after


async def _send(site: AppState, who: Principal, socket: WebSocket, viewer: Subscriber) -> None:
    while True:
        frame = await viewer.next()
        if not authorize.still_holds(site, who):
            await socket.close(LOGIN_OVER, "log in again")
            return
        await socket.send_text(frame)


async def _hear(socket: WebSocket) -> None:
    """Notices that the viewer has gone; whatever it says is not for us."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
