"""Blocks for caps of cost and of tokens, and what is spent of them."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from amplifier_swarm.documents import Document, budgets
from amplifier_swarm.v1.budget_pb2 import Budget, BudgetKind, BudgetName
from amplifier_swarm.v1.operator_service_pb2 import ListBudgetsResponse
from amplifier_swarm.v1.task_pb2 import Task
from swarmctl import text_format
from swarmctl.forecast.forecast import CostForecast
from swarmctl.render.blocks import Block, Blocks, Cell, Column, Prose, Table, cell
from swarmctl.render.tasks import caps_text, status_cell

COLUMNS: Final = (
    Column("TASK"),
    Column("STATUS"),
    Column("CAP", right=True),
    Column("SPENT", right=True),
    Column("TOKENS", right=True),
)


def budget_blocks(tasks: Sequence[Task]) -> Blocks:
    """Returns the caps of tasks, and what their sessions have used."""
    rows = [
        (
            cell(task.task_id),
            status_cell(task.status),
            cell(caps_text(task) or "none"),
            cell(task.usage.cost or "unknown"),
            cell(f"{task.usage.input_tokens + task.usage.output_tokens:,}"),
        )
        for task in tasks
    ]
    return [Table(COLUMNS, rows)]


# The name of a plan whose file gives none.
DEFAULT_PLAN: Final = "default"
SHARED_COLUMNS: Final = (
    Column("BUDGET"),
    Column("CAP", right=True),
    Column("SPENT", right=True),
    Column("RESERVED", right=True),
    Column("TOKENS", right=True),
    Column("STILL TO COME", right=True),
    Column(""),
)


@dataclass(frozen=True, slots=True)
class Budgets:
    """The shared budgets, and what the tasks of each plan may still cost, by the name of the plan."""

    found: ListBudgetsResponse
    expected: Mapping[str, CostForecast]


def budgets_document(shown: Budgets) -> Document:
    """Returns the budgets with the forecast of each plan: dollars for its tasks that have not ended."""
    document = budgets.budgets_document(shown.found)
    for budget in document["budgets"]:
        made = shown.expected.get(budget["name"] or "") if budget["kind"] == "plan" else None
        spread = None if made is None else made.spread
        budget["forecast"] = None if spread is None else {"p50": spread.p50, "p90": spread.p90}
        budget["forecast_unknown"] = None if made is None else made.unknown
    return document


def budgets_blocks(shown: Budgets) -> Blocks:
    """Returns the budgets for people, and what was spent in all."""
    found = shown.found
    tokens = f"{found.spent_tokens:,} tokens"
    total = f"spent {found.spent_cost} dollars and {tokens} in all, {found.spent_today} dollars today"
    blocks: list[Block] = []
    if found.budgets:
        blocks.append(Table(SHARED_COLUMNS, [_row(budget, shown.expected) for budget in found.budgets]))
    else:
        blocks.append(
            Prose("no budget of a plan, the day or an account; docs/money.md says how to set one", indent=0)
        )
    return [*blocks, Prose(total, indent=0)]


def shared_blocks(budget: Budget) -> Blocks:
    """Returns one shared budget for people."""
    return [Table(SHARED_COLUMNS, [_row(budget, {})])]


def budget_text(name: BudgetName) -> str:
    """Returns the name of a shared budget for people."""
    if name.kind == BudgetKind.BUDGET_KIND_DAY:
        return "the day"
    if name.kind == BudgetKind.BUDGET_KIND_PLAN and name.name == DEFAULT_PLAN:
        return "the plan"
    return f"{text_format.word(BudgetKind, name.kind)} {name.name}"


def raise_command(name: BudgetName) -> str:
    """Returns the command that raises a shared budget."""
    kind = text_format.word(BudgetKind, name.kind)
    named = "" if name.name in ("", DEFAULT_PLAN) else f" {shlex.quote(name.name)}"
    return f"swarmctl budget --{kind}{named} --add DOLLARS"


def budget_caps(budget: Budget) -> str:
    """Returns the caps of a shared budget."""
    tokens = f"{budget.max_tokens:,} tokens" if budget.HasField("max_tokens") else ""
    return ", ".join(filter(None, (budget.max_cost, tokens)))


def _row(budget: Budget, expected: Mapping[str, CostForecast]) -> Sequence[Cell]:
    is_plan = budget.name.kind == BudgetKind.BUDGET_KIND_PLAN
    return (
        cell(budget_text(budget.name)),
        cell(budget_caps(budget)),
        cell(budget.spent_cost),
        cell(budget.reserved_cost),
        cell(f"{budget.spent_tokens:,}"),
        cell(_expected(expected.get(budget.name.name) if is_plan else None)),
        cell("tasks wait" if budget.reached else ""),
    )


def _expected(made: CostForecast | None) -> str:
    if made is None or (made.spread is None and not made.unknown):
        return ""
    if made.spread is None:
        return f"unknown for {text_format.plural(made.unknown, 'task')}"
    more = f" and {made.unknown} unknown" if made.unknown else ""
    return f"{made.spread.p50:.2f}–{made.spread.p90:.2f}{more}"
