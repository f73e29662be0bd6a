"""The routes for probes and scrapers: liveness, readiness, metrics."""

import asyncio
from typing import Final

from starlette.responses import Response

from amplifier_swarm.documents import Document
from swarmd.metrics.exposition import CONTENT_TYPE
from swarmd.store import events
from swarmd.web.http.responses import Json
from swarmd.web.http.route import ApiRequest, AppState

READ_WITHIN_S: Final = 2.0


async def health(state: AppState, request: ApiRequest) -> Document:
    """Answers as long as the event loop runs."""
    return {"ok": True}


async def ready(state: AppState, request: ApiRequest) -> Response:
    """Reports if the database can be read and written; 503 if not."""
    why = await _reason_not_ready(state)
    return Json({"ready": not why, "why": why}, status_code=503 if why else 200)


async def metrics(state: AppState, request: ApiRequest) -> Response:
    """Returns the metrics in Prometheus' text format."""
    return Response(await state.metrics.expose(), media_type=CONTENT_TYPE)


async def _reason_not_ready(state: AppState) -> str:
    if state.swarm.db.failed.is_set():
        return "writing the database failed; the server is stopping"
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            await state.swarm.db.read(events.last_seq)
    except TimeoutError:
        return "the database does not answer"
    return ""
