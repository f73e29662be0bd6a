"""The routes for caps of cost and of tokens."""

from typing import Final

from amplifier_swarm.documents import Document, words
from amplifier_swarm.documents.budgets import budget_document, budgets_document
from amplifier_swarm.documents.tasks import task_document
from amplifier_swarm.v1.budget_pb2 import (
    BUDGET_KIND_ACCOUNT,
    BUDGET_KIND_DAY,
    BUDGET_KIND_PLAN,
    BUDGET_KIND_UNSPECIFIED,
    BudgetKind,
    BudgetName,
)
from amplifier_swarm.v1.operator_service_pb2 import RaiseBudgetRequest
from swarmd.web.http.params import Param, integer, text
from swarmd.web.http.route import ApiRequest, AppState

_KINDS: Final = {
    words.word(BudgetKind, kind): kind for kind in (BUDGET_KIND_PLAN, BUDGET_KIND_DAY, BUDGET_KIND_ACCOUNT)
}
ADD_COST: Final[Param[str]] = text(
    "add_cost", "Added to the cap, in US dollars, as decimal text.", limit=50, default=""
)
NAME: Final[Param[str]] = text(
    "name", "The plan or the account; empty for the only one.", limit=128, default=""
)
ADD_TOKENS: Final[Param[int]] = integer("add_tokens", "Added to the cap of tokens.", default=0)


async def raise_of_task(state: AppState, request: ApiRequest) -> Document:
    """Raises the caps of a task."""
    wanted = RaiseBudgetRequest(
        task_id=request.path["id"], add_cost=request.get(ADD_COST), add_tokens=request.get(ADD_TOKENS)
    )
    return task_document((await state.actions.raise_budget(wanted, actor=request.actor)).task)


async def raise_shared(state: AppState, request: ApiRequest) -> Document:
    """Raises a budget that tasks share."""
    wanted = RaiseBudgetRequest(
        budget=BudgetName(
            kind=_KINDS.get(request.path["kind"], BUDGET_KIND_UNSPECIFIED), name=request.get(NAME)
        ),
        add_cost=request.get(ADD_COST),
        add_tokens=request.get(ADD_TOKENS),
    )
    return budget_document((await state.actions.raise_budget(wanted, actor=request.actor)).budget)


async def budgets(state: AppState, request: ApiRequest) -> Document:
    """Returns the budgets that tasks share, with what is spent and reserved of them."""
    return budgets_document(await state.reads.budgets())
