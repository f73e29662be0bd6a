"""The documents of budgets that tasks share. Other programs rely on their keys."""

from amplifier_swarm.documents import Document, words
from amplifier_swarm.v1.budget_pb2 import Budget, BudgetKind, BudgetName
from amplifier_swarm.v1.operator_service_pb2 import ListBudgetsResponse


def budget_name_document(name: BudgetName) -> Document:
    """Returns what names a shared budget."""
    return {"kind": words.word(BudgetKind, name.kind), "name": name.name or None}


def budget_document(budget: Budget) -> Document:
    """Returns a shared budget as it stands."""
    return {
        **budget_name_document(budget.name),
        "max_cost": budget.max_cost or None,
        "max_tokens": budget.max_tokens if budget.HasField("max_tokens") else None,
        "spent_cost": budget.spent_cost,
        "spent_tokens": budget.spent_tokens,
        "reserved_cost": budget.reserved_cost,
        "reserved_tokens": budget.reserved_tokens,
        "reached": budget.reached,
    }


def budgets_document(found: ListBudgetsResponse) -> Document:
    """Returns all shared budgets, and what was spent in all."""
    return {
        "budgets": [budget_document(budget) for budget in found.budgets],
        "spent_cost": found.spent_cost,
        "spent_tokens": found.spent_tokens,
        "spent_today": found.spent_today,
    }
