"""The routes for probes, scrapers and tools: is it alive, does it serve, its figures, its own description."""

import asyncio
from typing import Final

from starlette.responses import Response

from amplifier_swarm.documents import Document
from swarmd.metrics.exposition import CONTENT_TYPE
from swarmd.store import events
from swarmd.web.http.responses import Json
from swarmd.web.http.route import ApiRequest, AppState

READ_WITHIN_S: Final = 2.0


async def health(site: AppState, ask: ApiRequest) -> Document:
    """The loop turns."""
    return {"ok": True}


async def ready(site: AppState, ask: ApiRequest) -> Response:
    """Whether the database can be read and written."""
    why = await _why_not(site)
    return Json({"ready": not why, "why": why}, status_code=503 if why else 200)


async def figures(site: AppState, ask: ApiRequest) -> Response:
    """What Prometheus scrapes."""
    return Response(await site.metrics.expose(), media_type=CONTENT_TYPE)


async def _why_not(site: AppState) -> str:
    if site.swarm.db.failed.is_set():
        return "writing the database failed; the server is stopping"
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            await site.swarm.db.read(events.last_seq)
    except TimeoutError:
        return "the database does not answer"
    return ""
