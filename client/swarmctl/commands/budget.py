"""`swarmctl budget`."""

from typing import Annotated

import typer

from amplifier_swarm.documents.budgets import budget_document
from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1.budget_pb2 import BudgetKind, BudgetName
from amplifier_swarm.v1.operator_service_pb2 import GetTaskRequest, ListBudgetsRequest, RaiseBudgetRequest
from swarmctl.api.paging import TaskList
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.completion import complete_task_ids
from swarmctl.cli.context import CommandContext
from swarmctl.forecast.forecast import cost_of_rest
from swarmctl.render.budget import (
    Budgets,
    budget_blocks,
    budgets_blocks,
    budgets_document,
    shared_blocks,
)

_HINT = "`swarmctl budget` shows all, `swarmctl budget TASK` the caps of a task"


def run(
    ctl: CommandContext,
    name: Annotated[
        str,
        typer.Argument(
            metavar="[TASK|NAME]",
            help="A task; with --plan or --account the name of that one.",
            autocompletion=complete_task_ids,
        ),
    ] = "",
    *,
    plan: Annotated[
        bool, typer.Option("--plan", help="The budget of a plan; of the only one without NAME.")
    ] = False,
    day: Annotated[
        bool, typer.Option("--day", help="The budget of the day; what is added counts today.")
    ] = False,
    account: Annotated[bool, typer.Option("--account", help="The budget of the account NAME.")] = False,
    add: Annotated[str, typer.Option("--add", metavar="DOLLARS", help="Add to the cap of cost.")] = "",
    add_tokens: Annotated[
        int, typer.Option("--add-tokens", metavar="N", min=0, help="Add to the cap of tokens.")
    ] = 0,
) -> None:
    """Without a name it lists the budgets that tasks share, with what is spent, reserved and to be expected.

    What is held for a budget goes on in the same workspace when that leaves something to spend.
    """
    kind = _kind(plan=plan, day=day, account=account)
    if day and name:
        raise ProgramExit(ExitCode.USAGE, f"--day takes no name, got {name!r}", hint=_HINT)
    if kind != BudgetKind.BUDGET_KIND_UNSPECIFIED:
        _raise_shared(ctl, BudgetName(kind=kind, name=name), add, add_tokens)
    elif name:
        _show_task(ctl, name, add, add_tokens)
    elif add or add_tokens:
        hint = "name a task, --plan, --day or --account"
        raise ProgramExit(ExitCode.USAGE, "nothing is named to add to", hint=hint)
    else:
        _show_all(ctl)


def _show_all(ctl: CommandContext) -> None:
    found = ctl.reading_stub.ListBudgets(ListBudgetsRequest(), timeout=DEADLINE_S)
    plans = [b.name.name for b in found.budgets if b.name.kind == BudgetKind.BUDGET_KIND_PLAN]
    tasks = TaskList(ctl.reading_stub).first(0) if plans else []
    expected = {plan: cost_of_rest(tasks, plan) for plan in plans}
    ctl.printer.show(Budgets(found, expected), budgets_document, budgets_blocks)


def _raise_shared(ctl: CommandContext, budget: BudgetName, add: str, add_tokens: int) -> None:
    if not (add or add_tokens):
        raise ProgramExit(ExitCode.USAGE, "nothing is added; pass --add or --add-tokens", hint=_HINT)
    request = RaiseBudgetRequest(budget=budget, add_cost=add, add_tokens=add_tokens)
    raised = ctl.stub.RaiseBudget(request, timeout=DEADLINE_S).budget
    ctl.printer.show(raised, budget_document, shared_blocks)


def _show_task(ctl: CommandContext, name: str, add: str, add_tokens: int) -> None:
    """Shows the caps of a task, raised first if something is added."""
    if add or add_tokens:
        request = RaiseBudgetRequest(task_id=name, add_cost=add, add_tokens=add_tokens)
        task = ctl.stub.RaiseBudget(request, timeout=DEADLINE_S).task
    else:
        task = ctl.stub.GetTask(GetTaskRequest(task_id=name), timeout=DEADLINE_S).task
    ctl.printer.show([task], list_document, budget_blocks)


def _kind(*, plan: bool, day: bool, account: bool) -> BudgetKind.ValueType:
    if plan + day + account > 1:
        raise ProgramExit(
            ExitCode.USAGE, "--plan, --day and --account stand beside each other", hint="pass one"
        )
    if plan:
        return BudgetKind.BUDGET_KIND_PLAN
    if day:
        return BudgetKind.BUDGET_KIND_DAY
    return BudgetKind.BUDGET_KIND_ACCOUNT if account else BudgetKind.BUDGET_KIND_UNSPECIFIED
