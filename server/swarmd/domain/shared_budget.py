"""Budgets that tasks share: of a plan, of a day, of an account. Costs are integers, in billionths of a US dollar."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from swarmd.domain.budget import NANO, Caps, Spent, dollars
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import ID_PATTERN, WorkerIdentity

# The name of a plan whose file gives its budget none.
DEFAULT_PLAN: Final = "default"
# The label of a worker that says what pays for its sessions. Without it, its runner does.
ACCOUNT_LABEL: Final = "account"
# What is reserved for an attempt of a kind of task of which too little is known.
FLOOR: Final = Spent(NANO // 2, 100_000)
# Fewer attempts say nothing about a kind of task.
LEAST_EXAMPLES: Final = 3
_SHARE: Final = 0.9


class BudgetKind(StrEnum):
    """The kinds of shared budgets."""

    PLAN = "plan"
    DAY = "day"
    ACCOUNT = "account"


class BudgetName(NamedTuple):
    """The name of a shared budget, which is empty for a day."""

    kind: BudgetKind
    name: str


@dataclass(frozen=True, slots=True)
class PlannedBudget:
    """A budget as a plan or the settings of the server give it."""

    kind: BudgetKind
    name: str
    caps: Caps


class SharedBudget(NamedTuple):
    """A shared budget as it stands."""

    key: int
    kind: BudgetKind
    name: str
    # With what people have added.
    caps: Caps
    spent: Spent
    # What open attempts may still need.
    reserved: Spent
    # A task waits for it, and only a person can end that wait, or the next day.
    reached: bool = False

    @property
    def text(self) -> str:
        """Its name for people."""
        return name_text(self.kind, self.name)

    @property
    def used_up(self) -> str:
        """The cap that leaves nothing to spend, as text for people; empty if none does."""
        found = self.caps.used_up(self.spent)
        return found and f"budget of {self.text}: {found}"

    @property
    def passed(self) -> str:
        """The cap that the spending has passed, as text for people; empty if it has passed none."""
        found = self.caps.passed(self.spent)
        return found and f"budget of {self.text}: {found}"

    def lacks(self, need: Spent) -> str:
        """Returns what is missing for an attempt with that need, as text for people; empty if there is room.

        No need is larger than the whole cap, so that a budget in which nothing is spent lets a task start.
        """
        if self.used_up:
            return self.used_up
        caps, spent, reserved = self.caps, self.spent, self.reserved
        if caps.cost_nano is not None:
            left = caps.cost_nano - spent.cost_nano - reserved.cost_nano
            if left < (wanted := min(need.cost_nano, caps.cost_nano)):
                others = f", reserved {dollars(reserved.cost_nano)}" if reserved.cost_nano else ""
                head = f"cap {dollars(caps.cost_nano)}, spent {dollars(spent.cost_nano)}{others}"
                return f"budget of {self.text}: {head}, and the task may need {dollars(wanted)}"
        if caps.tokens is not None:
            left = caps.tokens - spent.tokens - reserved.tokens
            if left < (wanted := min(need.tokens, caps.tokens)):
                others = f", reserved {reserved.tokens:,}" if reserved.tokens else ""
                head = f"cap {caps.tokens:,} tokens, spent {spent.tokens:,}{others}"
                return f"budget of {self.text}: {head}, and the task may need {wanted:,}"
        return ""

    def reserve(self, need: Spent) -> "SharedBudget":
        """Returns the budget with that need reserved too."""
        cost, tokens = self.reserved.cost_nano + need.cost_nano, self.reserved.tokens + need.tokens
        return self._replace(reserved=Spent(cost, tokens))


def name_text(kind: BudgetKind, name: str) -> str:
    """Returns the name of a budget for people."""
    if kind is BudgetKind.DAY:
        return "the day"
    if kind is BudgetKind.PLAN and name == DEFAULT_PLAN:
        return "the plan"
    return f"{kind} {name}"


def raise_command(kind: BudgetKind, name: str) -> str:
    """Returns the command that raises the budget."""
    given = "" if kind is BudgetKind.DAY or (kind is BudgetKind.PLAN and name == DEFAULT_PLAN) else f" {name}"
    return f"swarmctl budget --{kind}{given} --add DOLLARS"


def account_of(worker: WorkerIdentity) -> str:
    """Returns what pays for the sessions of the worker."""
    return worker.labels.get(ACCOUNT_LABEL) or worker.runner


def need_of(caps: Caps, spent: Spent, examples: Sequence[Spent]) -> Spent:
    """Returns what an attempt may need: what nine of ten like it have needed, else the cap of its task, else FLOOR.

    `caps` and `spent` are those of the task: an attempt needs no more than they leave.
    """
    return Spent(
        _need(caps.cost_nano, spent.cost_nano, [found.cost_nano for found in examples], FLOOR.cost_nano),
        _need(caps.tokens, spent.tokens, [found.tokens for found in examples], FLOOR.tokens),
    )


def _need(cap: int | None, spent: int, examples: Sequence[int], floor: int) -> int:
    left = None if cap is None else max(0, cap - spent)
    if len(examples) < LEAST_EXAMPLES:
        return floor if left is None else left
    # The smallest example that at least nine of ten do not pass.
    place = -(-len(examples) * int(_SHARE * 10) // 10) - 1
    usual = sorted(examples)[place]
    return usual if left is None else min(usual, left)


def check_budget(budget: PlannedBudget, field: str) -> None:
    """Refuses a budget that nobody can mean.

    Raises:
        InvalidRequest: it has no cap, a cap of zero or less, or a name that is none.
    """
    if budget.kind is not BudgetKind.DAY and not ID_PATTERN.fullmatch(budget.name):
        raise InvalidRequest(f"{field}.name", f"{budget.name[:50]!r} is no name; use letters, digits, . _ -")
    if not budget.caps.any:
        raise InvalidRequest(field, "has no cap; give max_cost in dollars, or max_tokens")
    for name, cap in (("max_cost", budget.caps.cost_nano), ("max_tokens", budget.caps.tokens)):
        if cap is not None and cap < 0:
            raise InvalidRequest(f"{field}.{name}", "must not be negative")
        if cap == 0:
            raise InvalidRequest(
                f"{field}.{name}", "is 0, so that no task could ever start; give more, or leave it out"
            )
