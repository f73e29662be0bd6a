"""Conversion of shared budgets."""

from amplifier_swarm.v1 import budget_pb2
from amplifier_swarm.v1 import operator_service_pb2 as pb
from swarmd.domain.budget import Caps, dollars, read_dollars
from swarmd.domain.shared_budget import (
    DEFAULT_PLAN,
    BudgetKind,
    BudgetName,
    PlannedBudget,
    SharedBudget,
)
from swarmd.store.shared_budgets import Spending
from swarmd.wire import enums


def read_planned(message: budget_pb2.PlanBudget) -> PlannedBudget:
    """Converts the budget of a plan.

    Raises:
        InvalidRequest: its cap of cost is not an amount of dollars.
    """
    cost = read_dollars(message.max_cost, "budget.max_cost") if message.max_cost else None
    tokens = message.max_tokens if message.HasField("max_tokens") else None
    return PlannedBudget(BudgetKind.PLAN, message.name or DEFAULT_PLAN, Caps(cost, tokens))


def name(value: BudgetName) -> budget_pb2.BudgetName:
    """Converts the name of a budget."""
    return budget_pb2.BudgetName(kind=enums.BUDGET_KIND.to_wire(value.kind), name=value.name)


def budget(value: SharedBudget) -> budget_pb2.Budget:
    """Converts a budget as it stands."""
    caps = value.caps
    return budget_pb2.Budget(
        name=name(BudgetName(value.kind, value.name)),
        max_cost="" if caps.cost_nano is None else dollars(caps.cost_nano),
        max_tokens=caps.tokens,
        spent_cost=dollars(value.spent.cost_nano),
        spent_tokens=value.spent.tokens,
        reserved_cost=dollars(value.reserved.cost_nano),
        reserved_tokens=value.reserved.tokens,
        reached=value.reached,
    )


def listed(found: Spending) -> pb.ListBudgetsResponse:
    """Converts all budgets, and what was spent in all."""
    return pb.ListBudgetsResponse(
        budgets=[budget(value) for value in found.budgets],
        spent_cost=dollars(found.spent.cost_nano),
        spent_tokens=found.spent.tokens,
        spent_today=dollars(found.today.cost_nano),
    )
