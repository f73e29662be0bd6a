"""Caps of cost and of tokens, and what is left of them. Costs are integers, in billionths of a US dollar."""

import re
from decimal import Decimal
from typing import Final, NamedTuple

from swarmd.domain.errors import InvalidRequest

NANO: Final = 1_000_000_000
# A million dollars, and a million million tokens.
MAX_COST_NANO: Final = 1_000_000 * NANO
MAX_TOKENS: Final = 10**12
# Without an exponent, which could make a number that fills the memory.
_AMOUNT: Final = re.compile(r"[0-9]{1,7}(\.[0-9]{1,9})?", re.ASCII)
_CENT: Final = Decimal("0.01")


class Spent(NamedTuple):
    """The cost of sessions, as far as it is known, and the tokens that they have used."""

    cost_nano: int = 0
    tokens: int = 0
    # A runner whose sessions reported no cost, and one whose sessions reported no tokens; empty if there is none.
    without_cost: str = ""
    without_tokens: str = ""


NOTHING: Final = Spent()


class Caps(NamedTuple):
    """The most that may be spent; None without a cap."""

    cost_nano: int | None = None
    tokens: int | None = None

    @property
    def any(self) -> bool:
        """Returns whether there is a cap."""
        return self.cost_nano is not None or self.tokens is not None

    @property
    def text(self) -> str:
        """The caps, for people; empty without one."""
        cost = "" if self.cost_nano is None else f"{dollars(self.cost_nano)} dollars"
        tokens = "" if self.tokens is None else f"{self.tokens:,} tokens"
        return ", ".join(filter(None, (cost, tokens)))

    def used_up(self, spent: Spent) -> str:
        """Returns the cap that leaves nothing to spend, as text for people; empty if none does."""
        if self.cost_nano is not None and spent.cost_nano >= self.cost_nano:
            return f"cap {dollars(self.cost_nano)}, spent {dollars(spent.cost_nano)}"
        if self.tokens is not None and spent.tokens >= self.tokens:
            return f"cap {self.tokens:,} tokens, spent {spent.tokens:,}"
        return ""

    def unenforceable(self, spent: Spent) -> str:
        """Returns the cap that nobody can hold to, with the remedy, as text for people; empty if there is none."""
        if self.cost_nano is not None and spent.without_cost:
            remedy = "remove the cap" if spent.without_tokens else "give max_tokens in its place"
            what = "no usage" if spent.without_tokens else "tokens and no cost"
            return f"max_cost can't be enforced: runner {spent.without_cost} reports {what}; {remedy}"
        if self.tokens is not None and spent.without_tokens:
            runner = spent.without_tokens
            return f"max_tokens can't be enforced: runner {runner} reports no usage; remove the cap"
        return ""

    def passed(self, spent: Spent) -> str:
        """Returns the cap that the spending has passed, as text for people; empty if it has passed none."""
        below = Spent(spent.cost_nano - 1, spent.tokens - 1)
        return self.used_up(spent) if self.used_up(below) else ""


class BudgetEnd(NamedTuple):
    """The budget of a task whose attempt has ended."""

    # The cap that leaves nothing to spend, as text; empty if none does.
    used_up: str
    # The sessions of the attempt were ordered to end because they had passed it.
    ordered: bool
    # The shared budget that leaves nothing; 0 if it is a cap of the task.
    budget_key: int = 0


def dollars(nano: int) -> str:
    """Returns an amount of dollars, exact and with at least two decimals."""
    amount = Decimal(nano) / NANO
    return f"{amount.quantize(_CENT) if amount == amount.quantize(_CENT) else amount.normalize():f}"


def read_dollars(text: str, field: str) -> int:
    """Returns the amount of a decimal text in billionths of a dollar.

    Raises:
        InvalidRequest: the amount is not from 0 to a million dollars, or has more than nine decimals.
    """
    nano = int(Decimal(text) * NANO) if _AMOUNT.fullmatch(text) else -1
    if not 0 <= nano <= MAX_COST_NANO:
        wanted = "must be dollars from 0 to 1000000 with up to nine decimals, such as 2.50"
        raise InvalidRequest(field, f"{wanted}, got {text[:50]!r}")
    return nano
