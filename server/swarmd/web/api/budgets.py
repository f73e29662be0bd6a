"""The routes for caps of cost and of tokens."""

from typing import Final

from amplifier_swarm.documents import Document
from amplifier_swarm.documents.tasks import task_document
from swarmd.web.http.params import Param, integer, text
from swarmd.web.http.route import ApiRequest, AppState

ADD_COST: Final[Param[str]] = text(
    "add_cost", "Added to the cap, in US dollars, as decimal text.", limit=50, default=""
)
ADD_TOKENS: Final[Param[int]] = integer("add_tokens", "Added to the cap of tokens.", default=0)


async def raise_of_task(state: AppState, request: ApiRequest) -> Document:
    """Raises the caps of a task."""
    raised = await state.actions.raise_budget(
        request.path["id"],
        add_cost=request.get(ADD_COST),
        add_tokens=request.get(ADD_TOKENS),
        actor=request.actor,
    )
    return task_document(raised)
