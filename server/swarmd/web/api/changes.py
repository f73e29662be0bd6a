"""The routes that read what an attempt did to the files: as a document, and as a patch to download."""

from typing import Final

from starlette.responses import Response

from amplifier_swarm.documents import Document
from amplifier_swarm.documents.changes import diff_document
from swarmd.web.http.errors import PatchNotStored
from swarmd.web.http.params import Param, integer
from swarmd.web.http.route import ApiRequest, AppState

CHANGED_ATTEMPT: Final[Param[int]] = integer(
    "attempt", "Only this attempt; without it, the latest with a change.", high=2**31 - 1, default=0
)


async def diff(state: AppState, request: ApiRequest) -> Document:
    """Returns the changed files of one attempt with the patch."""
    return diff_document(await state.reads.diff(request.path["id"], attempt=request.get(CHANGED_ATTEMPT)))


async def patch(state: AppState, request: ApiRequest) -> Response:
    """Returns the patch of one attempt as plain text, which a browser saves in place of showing it.

    Raises:
        PatchNotStored: files changed, but their patch is longer than what is stored.
    """
    task_id = request.path["id"]
    found = await state.reads.diff(task_id, attempt=request.get(CHANGED_ATTEMPT))
    change = found.change
    if change.file_count and not change.patch:
        raise PatchNotStored(change.base, change.head)
    return Response(
        change.patch,
        media_type="text/plain",
        # The id was found, so it has no character that means something in a header.
        headers={"Content-Disposition": f'attachment; filename="{task_id}-attempt-{found.attempt}.patch"'},
    )
