"""Costs of sessions, summed in groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from swarmd.domain.model import Usage
from swarmd.store.transaction import ReadTx


class CostGrouping(StrEnum):
    """A property that the sessions of a group share; days begin at the reader's midnight."""

    PHASE = "phase"
    ROLE = "role"
    DAY = "day"
    RUNNER = "runner"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class CostGroup:
    """The sessions with one name; a phase may be empty."""

    name: str
    sessions: int
    usage: Usage
    # Sessions without a price; the cost of the usage lacks theirs.
    unpriced: int


def costs(tx: ReadTx, by: CostGrouping, *, since_us: int, offset_us: int = 0) -> Sequence[CostGroup]:
    """Returns the groups of the sessions that began from then on: days in order, others with the dearest first."""
    rows = tx.all("costs", by=by, since_us=since_us, offset_us=offset_us)
    return [
        CostGroup(name, sessions, Usage(used_in, used_out, cost_nano), unpriced)
        for name, sessions, used_in, used_out, cost_nano, unpriced in rows
    ]
