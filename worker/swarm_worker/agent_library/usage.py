"""The usage of a turn: the library reports sums, the events report what was added.

Invariant: numbers that were known stay counted. The library forgets a model's sums as soon as one request of that
model gave no numbers.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

CURRENCY = "USD"


class Sums(NamedTuple):
    """The sums of one model; the cost is in US dollars, None if no price is known."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal | None = None


class Added(NamedTuple):
    """The usage that came in addition to the last known sums."""

    provider: str
    model: str
    tokens_in: int
    tokens_out: int
    cost: Decimal | None


@dataclass(slots=True)
class TurnUsage:
    """The last known sums of one turn, by provider and model; a new turn starts at zero."""

    _known: dict[tuple[str, str], Sums] = field(default_factory=dict)

    def update(self, snapshot: Any) -> list[Added]:
        """Reads a snapshot; returns what was added since the last one that had numbers."""
        return [added for entry in getattr(snapshot, "entries", None) or () if (added := self._read(entry))]

    def _read(self, entry: Any) -> Added | None:
        key = (str(entry.provider), str(entry.model))
        before = self._known.get(key, Sums())
        now = Sums(
            max(_count(entry.tokens_in), before.tokens_in),
            max(_count(entry.tokens_out), before.tokens_out),
            _larger(_cost(entry.cost), before.cost),
        )
        if now == before:
            return None
        self._known[key] = now
        cost = None if now.cost == before.cost else (now.cost or Decimal()) - (before.cost or Decimal())
        return Added(*key, now.tokens_in - before.tokens_in, now.tokens_out - before.tokens_out, cost)


def is_open(snapshot: Any) -> bool:
    """Returns whether a request seems to be open: some model has no numbers."""
    entries = getattr(snapshot, "entries", None) or ()
    return any(entry.tokens_in is None or entry.tokens_out is None for entry in entries)


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _cost(value: object) -> Decimal | None:
    cost = value.get(CURRENCY) if isinstance(value, dict) else None
    return cost if isinstance(cost, Decimal) and cost.is_finite() and cost >= 0 else None


def _larger(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    known = [cost for cost in (one, other) if cost is not None]
    return max(known) if known else None
