"""Budgets of ready tasks, as one round of assignment sees them.

Invariant: what the round has already reserved counts, so that its claims can't overrun a budget together.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from swarmd.domain.budget import NOTHING, Spent
from swarmd.domain.landing import StartPoint
from swarmd.domain.model import Task, TaskKey, WorkerIdentity
from swarmd.domain.shared_budget import BudgetKind, SharedBudget, account_of
from swarmd.engine.tasks import budgets, shared_budgets
from swarmd.engine.tasks.shared_budgets import covering, note_reached
from swarmd.store import shared_budgets as store
from swarmd.store.shared_budgets import Scope
from swarmd.store.task_records import ReadyTask
from swarmd.store.transaction import ReadTx, Tx

# A round holds or puts aside at most this many tasks, each of which costs a few writes; the next round goes on.
MAX_REFUSED: Final = 256


class Refused(NamedTuple):
    """A task that may spend nothing more, with its cap as text."""

    task: Task
    text: str


class Lack(NamedTuple):
    """A budget without room for the next task, as text for people."""

    budget: SharedBudget
    text: str


class Funds:
    """The look at budgets before claims: the tasks to hold, those that wait, and what this round has reserved.

    Tasks go in their order: when one finds no room in a budget, none behind it gets any in this round.
    """

    def __init__(self, tx: ReadTx, *, shared: bool) -> None:
        """`shared` says that there are budgets which tasks share; without them this costs nothing."""
        self._tx = tx
        self.refused: list[Refused] = []
        # The tasks that are to wait for the budget of their plan, with its key.
        self.aside: list[tuple[Task, int]] = []
        self._budgets = {budget.key: budget for budget in store.find_all(tx)} if shared else {}
        self._lacks: dict[int, Lack] = {}
        self._examples: dict[tuple[str, str], Sequence[Spent]] = {}
        # Each task is asked about at least twice: whether there is room, and to reserve it.
        self._needs: dict[TaskKey, tuple[Scope, Spent]] = {}

    @property
    def exhausted(self) -> bool:
        """Returns whether the round may refuse no more tasks."""
        return len(self.refused) + len(self.aside) >= MAX_REFUSED

    def admit(self, task: Task) -> bool:
        """Returns whether the task may spend something; notes it as refused if not."""
        if text := budgets.used_up(self._tx, task):
            self.refused.append(Refused(task, text))
        return not text

    def pays_for(self, worker: WorkerIdentity) -> bool:
        """Returns whether nothing has shown in this round that the day or the worker's account has no room."""
        return not any(
            lack.budget.kind is BudgetKind.DAY
            or (lack.budget.kind is BudgetKind.ACCOUNT and lack.budget.name == account_of(worker))
            for lack in self._lacks.values()
        )

    def lacking(self, task: Task, worker: WorkerIdentity) -> SharedBudget | None:
        """Returns the first budget that has no room for an attempt of the task at that worker; None if all have."""
        if not self._budgets or task.starts_at is StartPoint.LANDING:
            return None
        scope, need = self._need(task)
        for budget in covering(list(self._budgets.values()), scope, account_of(worker)):
            if budget.key in self._lacks:
                return budget
            if text := budget.lacks(need):
                self._lacks[budget.key] = Lack(budget, text)
                return budget
        return None

    def lack(self, budget: SharedBudget) -> Lack:
        """Returns what the budget lacked in this round."""
        return self._lacks[budget.key]

    def put_aside(self, found: ReadyTask, budget: SharedBudget) -> None:
        """Notes that the task has to wait for the budget of its plan."""
        self.aside.append((found.task, budget.key))

    def reserve(self, task: Task, worker: WorkerIdentity) -> Spent:
        """Reserves what an attempt of the task may need, and returns it."""
        if not self._budgets or task.starts_at is StartPoint.LANDING:
            return NOTHING
        scope, need = self._need(task)
        for budget in covering(list(self._budgets.values()), scope, account_of(worker)):
            self._budgets[budget.key] = budget.reserve(need)
        return need

    def write(self, tx: Tx) -> None:
        """Writes what the round has refused, put aside and found to lack room."""
        for refused in self.refused:
            budgets.hold(tx, refused.task, refused.text)
        for task, plan_key in self.aside:
            store.put_aside(tx, task.key, plan_key)
        for key, lack in self._lacks.items():
            note_reached(tx, self._budgets[key], lack.text)

    def _need(self, task: Task) -> tuple[Scope, Spent]:
        """Returns what the next attempt of the task may need, and where that counts; read once a round."""
        if task.key not in self._needs:
            scope = store.scope(self._tx, task.key)
            kind = (scope.type, scope.phase)
            if kind not in self._examples:
                self._examples[kind] = store.examples(self._tx, scope)
            self._needs[task.key] = scope, shared_budgets.need(self._tx, task, self._examples[kind])
        return self._needs[task.key]


def lack_of(tx: ReadTx, task: Task, workers: Sequence[WorkerIdentity]) -> Lack | None:
    """Returns the budget that keeps the task from each of the workers; None if one of them may get it."""
    funds = Funds(tx, shared=True)
    found = [funds.lacking(task, worker) for worker in workers]
    first = next(iter(found), None)
    return None if first is None or None in found else funds.lack(first)
