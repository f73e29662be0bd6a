"""The routes for what waits for a person, and for what people say about tasks."""

from typing import Final

from amplifier_swarm.documents import Document
from amplifier_swarm.documents.holds import inbox_document
from amplifier_swarm.documents.tasks import task_document
from amplifier_swarm.v1.operator_service_pb2 import RejectTaskRequest, TaskApproval
from swarmd.domain.holds import MAX_TEXT
from swarmd.web.api.actions import CAUSE, WITH_DEPENDENTS
from swarmd.web.http.params import Param, integer, text
from swarmd.web.http.route import ApiRequest, AppState

HOLD_ID: Final[Param[str]] = text("hold_id", "The hold that is settled, of the task.", limit=50)
TEXT: Final[Param[str]] = text("text", "The text.", limit=MAX_TEXT)
OPTION: Final[Param[int]] = integer(
    "option", "The number of the option that is the answer, from 1.", default=0
)


async def hold(state: AppState, request: ApiRequest) -> Document:
    """Holds a task that has not started."""
    held = await state.actions.hold([request.path["id"]], request.get(CAUSE), actor=request.actor)
    return task_document(held.tasks[0])


async def unhold(state: AppState, request: ApiRequest) -> Document:
    """Ends the hold of an operator."""
    freed = await state.actions.unhold([request.path["id"]], actor=request.actor)
    return task_document(freed.tasks[0])


async def answer(state: AppState, request: ApiRequest) -> Document:
    """Answers the question that the task waits for."""
    answered = await state.actions.answer(
        request.path["id"],
        request.get(HOLD_ID),
        text=request.get(TEXT),
        option=request.get(OPTION),
        actor=request.actor,
    )
    return task_document(answered)


async def approve(state: AppState, request: ApiRequest) -> Document:
    """Approves what the task waits for."""
    approval = TaskApproval(task_id=request.path["id"], hold_id=request.get(HOLD_ID))
    approved = await state.actions.approve([approval], actor=request.actor)
    return task_document(approved.tasks[0])


async def reject(state: AppState, request: ApiRequest) -> Document:
    """Rejects what the task waits for, or the work of a completed task if no hold is named."""
    asked = RejectTaskRequest(
        task_id=request.path["id"],
        hold_id=request.get(HOLD_ID),
        text=request.get(TEXT),
        with_dependents=request.get(WITH_DEPENDENTS),
    )
    return task_document((await state.actions.reject(asked, actor=request.actor)).task)


async def note(state: AppState, request: ApiRequest) -> Document:
    """Leaves a note for the next attempts of the task."""
    noted = await state.actions.note(request.path["id"], text=request.get(TEXT), actor=request.actor)
    return task_document(noted)


async def inbox(state: AppState, _request: ApiRequest) -> Document:
    """Returns what waits for a person."""
    return inbox_document(await state.reads.inbox())
