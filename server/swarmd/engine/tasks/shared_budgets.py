"""Shared budgets: which of them cover a task, who raises them, and what goes on then.

Invariant: only open attempts reserve, so nothing is reserved when nothing runs, whatever has crashed.
"""

from collections.abc import Sequence
from typing import Final

from swarmd.domain.budget import NOTHING, Spent
from swarmd.domain.errors import BudgetNotFound
from swarmd.domain.model import Task, TaskId
from swarmd.domain.shared_budget import (
    DEFAULT_PLAN,
    BudgetKind,
    PlannedBudget,
    SharedBudget,
    check_budget,
    need_of,
)
from swarmd.engine.tasks import budgets
from swarmd.engine.tasks.holding import free
from swarmd.store import budgets as task_budgets
from swarmd.store import events, shared_budgets
from swarmd.store.events import EventKind
from swarmd.store.shared_budgets import Scope
from swarmd.store.transaction import ReadTx, Tx

_DAY_US: Final = 86_400_000_000
_BY_ITSELF: Final = "its budget leaves something to spend again"


def covering(found: Sequence[SharedBudget], scope: Scope, account: str) -> list[SharedBudget]:
    """Returns the budgets that cover an attempt of that task which the account pays for."""
    return [budget for budget in found if _covers(budget, scope, account)]


def need(tx: ReadTx, task: Task, examples: Sequence[Spent]) -> Spent:
    """Returns what the next attempt of the task may need."""
    caps = budgets.caps_of(task)
    spent = task_budgets.spent_by_task(tx, task.key) if caps.any else NOTHING
    return need_of(caps, spent, examples)


def set_plan(tx: Tx, planned: PlannedBudget, task_ids: Sequence[TaskId]) -> None:
    """Sets the budget of a plan, and puts the tasks into the plan.

    Raises:
        InvalidRequest: nobody can mean such a budget.
    """
    check_budget(planned, "budget")
    key = shared_budgets.put(tx, planned)
    shared_budgets.join(tx, key, task_ids)
    _go_on(tx, _get(tx, key), actor="")


def configure(tx: Tx, wanted: Sequence[PlannedBudget], *, day: int) -> None:
    """Sets the day, and the budgets of days and accounts as the server's settings have them; removes the others."""
    shared_budgets.begin_day(tx, day)
    names = {(budget.kind, budget.name) for budget in wanted}
    for budget in shared_budgets.find_all(tx):
        if budget.kind is not BudgetKind.PLAN and (budget.kind, budget.name) not in names:
            shared_budgets.remove(tx, budget.key)
    for planned in wanted:
        shared_budgets.put(tx, planned)
    for task in shared_budgets.orphaned(tx):
        free(tx, task, actor="", said="its budget is gone")
    _go_on_all(tx)


def begin_day(tx: Tx, day: int) -> None:
    """Makes usage count for that day, in days since 1970; what waits for the budget of a day goes on with a new one."""
    if shared_budgets.begin_day(tx, day):
        _go_on_all(tx)


def day_of(wall_us: int) -> int:
    """Returns the day of a time, UTC, in days since 1970."""
    return wall_us // _DAY_US


def raise_budget(tx: Tx, kind: BudgetKind, name: str, *, added: Spent, actor: str) -> SharedBudget:
    """Adds to the caps of a shared budget; what was held for it goes on if something is left to spend.

    An empty name stands for the only plan, or for the day.

    Raises:
        BudgetNotFound: there is no such budget, or there are several.
        InvalidRequest: nothing is added, too much is, or the budget has no such cap.
    """
    budget = find(tx, kind, name)
    budgets.check_added(budget.text, budget.caps, added)
    shared_budgets.add(tx, budget.key, added)
    budget = _get(tx, budget.key)
    by = f" ({actor})" if actor else ""
    events.append(tx, EventKind.BUDGET_RAISED, cause=f"budget of {budget.text}: cap {budget.caps.text}{by}")
    _go_on(tx, budget, actor=actor)
    return _get(tx, budget.key)


def find(tx: ReadTx, kind: BudgetKind, name: str) -> SharedBudget:
    """Returns the budget of that kind and name; an empty name stands for the only one.

    Raises:
        BudgetNotFound: there is no such budget, or there are several.
    """
    of_kind = [budget for budget in shared_budgets.find_all(tx) if budget.kind is kind]
    named = [budget for budget in of_kind if budget.name == name]
    if not name and not named:
        named = of_kind if len(of_kind) == 1 else [b for b in of_kind if b.name == DEFAULT_PLAN]
    if not named:
        raise BudgetNotFound(kind, name, [budget.name for budget in of_kind if budget.name])
    return named[0]


def note_reached(tx: Tx, budget: SharedBudget, text: str) -> None:
    """Reports once, as an event, that a task waits for the budget, and that nothing which runs can end that wait."""
    if budget.reached or budget.reserved != NOTHING:
        return
    shared_budgets.set_reached(tx, budget.key, reached=True)
    events.append(tx, EventKind.BUDGET_REACHED, cause=text)


def _get(tx: ReadTx, key: int) -> SharedBudget:
    return next(budget for budget in shared_budgets.find_all(tx) if budget.key == key)


def _go_on(tx: Tx, budget: SharedBudget, *, actor: str) -> None:
    """Frees what was held for the budget, if something is left to spend; a task's own cap may hold it still."""
    shared_budgets.stop_waiting(tx, budget.key)
    if budget.used_up:
        return
    if budget.reached:
        shared_budgets.set_reached(tx, budget.key, reached=False)
    for task in shared_budgets.held(tx, budget.key):
        free(tx, task, actor=actor, said="its budget was raised" if actor else _BY_ITSELF)


def _go_on_all(tx: Tx) -> None:
    for budget in shared_budgets.find_all(tx):
        _go_on(tx, budget, actor="")


def _covers(budget: SharedBudget, scope: Scope, account: str) -> bool:
    if budget.kind is BudgetKind.PLAN:
        return budget.key == scope.plan_key
    return budget.kind is BudgetKind.DAY or budget.name == account
