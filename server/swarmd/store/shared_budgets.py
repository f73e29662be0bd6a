"""Shared budgets as rows, with what is spent and reserved of them."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from swarmd.domain.budget import Caps, Spent
from swarmd.domain.model import AttemptKey, Lease, Task, TaskKey
from swarmd.domain.shared_budget import BudgetKind, PlannedBudget, SharedBudget
from swarmd.store import tasks
from swarmd.store.transaction import IGNORE_DEFERRED, ReadTx, Tx

# An estimate needs no more of the past.
MAX_ATTEMPTS: Final = 500


class Scope(NamedTuple):
    """The plan, type and phase of a task, by which budgets cover it and other tasks are like it."""

    plan_key: int
    type: str
    phase: str


@dataclass(frozen=True, slots=True)
class Spending:
    """All shared budgets, and what all sessions have used, in all and today; sessions of tasks that are gone count."""

    budgets: Sequence[SharedBudget]
    spent: Spent
    today: Spent


def spending(tx: ReadTx) -> Spending:
    """Returns the shared budgets, and what was spent."""
    row = tx.one("budget_spending")
    assert row is not None
    return Spending(find_all(tx), Spent(*row[:2]), Spent(*row[2:]))


def find_all(tx: ReadTx, *, with_reserved: bool = True) -> Sequence[SharedBudget]:
    """Returns all shared budgets as they stand, with what open attempts have reserved if that is asked for."""
    rows = tx.all("budget_shared")
    if not rows:
        return []
    reserved = _reserved(tx) if with_reserved else defaultdict(Spent)
    return [
        SharedBudget(
            key,
            BudgetKind(kind),
            name,
            Caps(max_cost_nano, max_tokens),
            Spent(cost_nano, tokens),
            reserved[BudgetKind(kind), key if kind == BudgetKind.PLAN else name],
            bool(reached),
        )
        for key, kind, name, max_cost_nano, max_tokens, cost_nano, tokens, reached in rows
    ]


def _reserved(tx: ReadTx) -> defaultdict[tuple[BudgetKind, int | str], Spent]:
    """Returns the reservations by plan, by account, and of the day."""
    found: defaultdict[tuple[BudgetKind, int | str], Spent] = defaultdict(Spent)
    for plan_key, account, cost_nano, tokens in tx.all("budget_reserved"):
        for part in ((BudgetKind.PLAN, plan_key), (BudgetKind.ACCOUNT, account), (BudgetKind.DAY, "")):
            before = found[part]
            found[part] = Spent(before.cost_nano + cost_nano, before.tokens + tokens)
    return found


def scope(tx: ReadTx, key: TaskKey) -> Scope:
    """Returns the scope of a task that exists."""
    row = tx.one("budget_scope", subject=IGNORE_DEFERRED, key=key)
    assert row is not None
    return Scope(*row)


def examples(tx: ReadTx, kind: Scope) -> Sequence[Spent]:
    """Returns what the latest attempts of that type and phase have used."""
    rows = tx.all("budget_examples", type=kind.type, phase=kind.phase, most=MAX_ATTEMPTS)
    return [Spent(cost_nano, tokens) for cost_nano, tokens in rows]


def account(tx: ReadTx, key: AttemptKey) -> str:
    """Returns what pays for the attempt."""
    return str(tx.value("attempt_account", key=key) or "")


def put(tx: Tx, budget: PlannedBudget) -> int:
    """Sets the caps of a budget, which may be new; returns its key."""
    caps = budget.caps
    tx.run(
        "budget_set", kind=budget.kind, name=budget.name, max_cost_nano=caps.cost_nano, max_tokens=caps.tokens
    )
    return int(tx.value("budget_key", kind=budget.kind, name=budget.name))


def remove(tx: Tx, key: int) -> None:
    """Removes a budget."""
    tx.run("budget_remove", key=key)


def join(tx: Tx, key: int, task_ids: Iterable[str]) -> None:
    """Puts tasks into the plan with that budget, with what their sessions have used."""
    tx.run("budget_join", key=key, ids=json.dumps(list(task_ids)))
    tx.run("budget_recount")


def add(tx: Tx, key: int, added: Spent) -> None:
    """Adds to the caps of a budget; to those of a day for today alone."""
    tx.run("budget_add_shared", key=key, cost_nano=added.cost_nano, tokens=added.tokens)


def begin_day(tx: Tx, day: int) -> bool:
    """Makes usage count for that day from now on, in days since 1970; returns whether it is another one."""
    return tx.run("budget_set_day", day=day) > 0


def set_reached(tx: Tx, key: int, *, reached: bool) -> None:
    """Notes whether a task waits for the budget and only a person can end that."""
    tx.run("budget_reach", key=key, reached=reached)


def put_aside(tx: Tx, key: TaskKey, plan_key: int) -> None:
    """Puts a claimable task among those that wait for the budget of the plan."""
    tx.defer("task_wait_for_plan", (key,), key=key, wait_key=wait_key(plan_key))


def stop_waiting(tx: Tx, key: int) -> None:
    """Puts the tasks that wait for the budget of a plan back among the others."""
    tx.run("budget_stop_waiting", wait_key=wait_key(key))


def wait_key(plan_key: int) -> int:
    """Returns the mark of the tasks that wait for the budget of the plan; exclusive names have positive ones."""
    return -plan_key


def held(tx: ReadTx, key: int) -> Sequence[Task]:
    """Returns the tasks that are held for the budget."""
    return [tasks.from_row(row) for row in tx.all("budget_held", key=key)]


def orphaned(tx: ReadTx) -> Sequence[Task]:
    """Returns the tasks that are held for a budget which is gone."""
    return [tasks.from_row(row) for row in tx.all("budget_orphaned")]


def open_leases(tx: ReadTx, budget: SharedBudget) -> Sequence[Lease]:
    """Returns the open attempts with sessions that the budget covers, and that were not ordered to end for a cap."""
    rows = tx.all("budget_open_attempts", kind=budget.kind, key=budget.key, name=budget.name)
    return [Lease._make(row) for row in rows]
