"""The routes of files that attempts left for people.

Invariant: a browser saves such a file and never shows it, since a session has written it.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from amplifier_swarm.documents import Document
from amplifier_swarm.documents.artifacts import artifacts_document
from swarmd.domain.artifacts import MAX_NAME
from swarmd.domain.errors import InvalidRequest
from swarmd.engine.attempts.artifacts import OpenArtifact
from swarmd.web.http.params import Param, integer, text
from swarmd.web.http.route import ApiRequest, AppState

ONE_ATTEMPT: Final[Param[int]] = integer(
    "attempt",
    "Only of this attempt; 0 is all of them, or the latest with that name.",
    high=2**31 - 1,
    default=0,
)
NAME: Final[Param[str]] = text("name", "The whole name, as the list gives it.", limit=MAX_NAME)
CHUNK: Final = 256 * 1024


async def artifacts(state: AppState, request: ApiRequest) -> Document:
    """Returns the artifacts of a task, those of the latest attempt first."""
    return artifacts_document(
        await state.reads.artifacts(request.path["id"], attempt=request.get(ONE_ATTEMPT))
    )


async def content(state: AppState, request: ApiRequest) -> Response:
    """Returns the content of an artifact as an attachment."""
    name = request.get(NAME)
    if not name:
        raise InvalidRequest(NAME.name, "is missing; give the name of an artifact")
    opened = await state.swarm.artifacts.open(request.path["id"], name, number=request.get(ONE_ATTEMPT))
    headers = {
        # The name as UTF-8 bytes in percent signs: no character of it can end the header or its value.
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name.rpartition('/')[2], safe='')}",
        "Content-Length": str(opened.record.size),
        "Content-Security-Policy": "sandbox",
    }
    return StreamingResponse(_chunks(opened), headers=headers, media_type="application/octet-stream")


async def _chunks(opened: OpenArtifact) -> AsyncIterator[bytes]:
    with opened.file as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
