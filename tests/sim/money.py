"""Money: the budget of a plan that all tasks share, people who raise it, and the audit of what it has paid.

Most builders cost the same, and some far more than an attempt of their kind is known to need.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1.budget_pb2 import BudgetKind, BudgetName
from sim.server import SimServer
from sim.world import Violated, World
from swarmd.domain.budget import dollars
from swarmd.domain.errors import SwarmError
from swarmd.domain.shared_budget import BudgetKind as Kind
from swarmd.store import shared_budgets
from swarmd.store.events import Event, EventKind
from swarmd.store.transaction import ReadTx

BUILDER_COST: Final = Decimal("0.25")
CAP: Final = "1.50"
RAISE_EVERY_S: Final = 40.0
_PLAN: Final = BudgetName(kind=BudgetKind.BUDGET_KIND_PLAN)
# What attempts have cost beyond their reservations; one that was given up may report when its reservation has ended.
_BEYOND: Final = """
SELECT coalesce(sum(CASE WHEN outcome IN ('lost', 'killed') THEN cost ELSE max(0, cost - reserved) END), 0)
  FROM (SELECT a.outcome, a.reserved_cost_nano AS reserved, coalesce(sum(s.cost_nano), 0) AS cost
          FROM attempts a LEFT JOIN sessions s ON s.attempt_key = a.key GROUP BY a.key)
"""


class Payer:
    """A person who raises the budget of the plan now and then."""

    def __init__(self, world: World, server: SimServer) -> None:
        self._world = world
        self._server = server
        self._dice = world.dice("money")

    def begin(self) -> None:
        """Raises the budget from time to time."""
        self._world.at(self._dice.expovariate(1 / RAISE_EVERY_S), self._raise_and_go_on)

    def raise_budget(self, by: str) -> None:
        """Raises the budget once."""
        if not self._server.serving:
            return
        request = pb.RaiseBudgetRequest(budget=_PLAN, add_cost=by)
        self._world.log(f"operator: raise the budget by {by}")

        def verb(server: SimServer) -> Any:
            return server.operators.RaiseBudget(request, None)  # type: ignore[arg-type]

        self._server.call(verb, self._answered)

    def _raise_and_go_on(self) -> None:
        self.raise_budget(self._dice.choice(("0.10", "0.50", "1")))
        self.begin()

    def _answered(self, result: object) -> None:
        if not isinstance(result, SwarmError):
            self._world.log("operator: raised")


def refuse_overrun(tx: ReadTx) -> None:
    """Checks that what is spent and reserved stays within the cap of the plan.

    Raises:
        Violated: claims have reserved more than was left.
    """
    beyond = tx._connection.execute(_BEYOND).get
    for budget in shared_budgets.find_all(tx):
        assert budget.caps.cost_nano is not None
        used = budget.spent.cost_nano + budget.reserved.cost_nano
        if used > budget.caps.cost_nano + beyond:
            spent, reserved = dollars(budget.spent.cost_nano), dollars(budget.reserved.cost_nano)
            raise Violated(f"cap {dollars(budget.caps.cost_nano)}, spent {spent}, reserved {reserved}")


def audit(tx: ReadTx, history: Sequence[Event]) -> None:
    """Checks at the end that nothing is reserved, each session was counted once, and nobody was freed unpaid.

    Raises:
        Violated: one of these is not so.
    """
    paid = tx._connection.execute("SELECT coalesce(sum(cost_nano), 0) FROM sessions").get
    for budget in shared_budgets.find_all(tx):
        if budget.reserved.cost_nano or budget.reserved.tokens:
            raise Violated(f"nothing runs, and {dollars(budget.reserved.cost_nano)} are reserved")
        if budget.kind is Kind.PLAN and budget.spent.cost_nano != paid:
            raise Violated(f"sessions cost {dollars(paid)}, counted are {dollars(budget.spent.cost_nano)}")
    held_at: dict[str, int] = {}
    raised_at = 0
    for event in history:
        if event.kind is EventKind.BUDGET_RAISED:
            raised_at = event.seq
        elif event.kind is EventKind.TASK_HELD and event.cause.startswith("budget: budget of "):
            held_at[event.task_id] = event.seq
        elif event.kind is EventKind.TASK_UNHELD and raised_at < held_at.pop(event.task_id, 0):
            raise Violated(f"event {event.seq}: {event.task_id} was held for money, and nobody has paid")
