"""`PYTHONPATH=tests python -m sim.run`: replays a seed, or runs many, or one for virtual days."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sim.simulation import Result, Row, Setting, simulate
from swarmd.domain.lifecycle import TRANSITIONS, TaskStatus, Transition

DAY_S = 86_400.0
# The pace of a swarm with default settings, with operators and faults at random all the time.
DAYS = Setting(
    fault_every_s=120.0, verb_every_s=60.0, heartbeat_s=10.0, suspect_after_s=30.0, lost_after_s=1_800.0,
    mean_s=(600.0,), stall_s=900.0,
)  # fmt: skip
# This number of seeds must take every row of the table, or the run has proven too little.
EACH_ROW_FROM = 100
# All rows of the table of transitions.
ROWS: Sequence[Row] = [(status, transition) for status, row in TRANSITIONS.items() for transition in row]

# What is in one of some hundred seeds, with tests of their own: a result that comes late while its task is held
# (tests/unit/engine/test_holds.py), one that then waits for an approval although its task had failed, and a landing
# that is found and waits for one (test_approvals.py). A landing that is found completes a claim (test_landings.py). A
# late result of a task that has failed (test_late_results.py): a fault that several tasks share fails none of them.
RARE_ROWS: Final = frozenset(
    {
        (TaskStatus.CLAIMED, Transition.COMPLETE),
        (TaskStatus.HELD, Transition.ACCEPT),
        (TaskStatus.FAILED, Transition.HOLD),
        (TaskStatus.FAILED, Transition.ACCEPT),
        (TaskStatus.CLAIMED, Transition.HOLD),
    }
)


@dataclass
class Total:
    """The sums of all runs."""

    seeds: int = 0
    bad: int = 0
    events: int = 0
    sessions: int = 0
    virtual_s: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    rows: Counter[Row] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        """Adds a run."""
        self.seeds += 1
        self.bad += bool(result.fault)
        self.events += result.events
        self.sessions += result.sessions
        self.virtual_s += result.virtual_s
        self.counts.update(result.counts)
        self.rows.update(result.rows)

    @property
    def untaken(self) -> Sequence[Row]:
        """Rows that no run has taken, but for those that are too rare."""
        return [row for row in ROWS if row not in self.rows and row not in RARE_ROWS]

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.counts.items()))
        untaken = ", ".join(f"{status} {transition}" for status, transition in self.untaken)
        return (
            f"{kinds}\nrows of the table that were never taken: {untaken or 'none'}\n"
            f"{self.seeds:,} seeds, {self.bad} with a broken promise: {self.virtual_s / 3600:,.1f} virtual hours, "
            f"{self.events:,} events, {self.sessions:,} sessions; {len(self.rows)} of {len(ROWS)} rows taken"
        )


def main() -> int:
    """Prints the result of each run; the exit code says whether every promise was kept and enough was tried."""
    parser = argparse.ArgumentParser(prog="sim.run", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--days", type=float, default=0.0, help="virtual days of faults, at the default pace")
    parser.add_argument("--workers", type=int, default=0, help="how many workers")
    parser.add_argument("--tasks", type=int, default=0, help="how many tasks operators add in all")
    parser.add_argument("--each", action="store_true", help="print a line for each seed")
    parser.add_argument("--verbose", action="store_true", help="print everything that happens")
    chosen = parser.parse_args()
    setting, total = _setting(chosen), Total()
    for seed in range(chosen.seed, chosen.seed + chosen.seeds):
        result = simulate(seed, setting, echo=chosen.verbose)
        total.add(result)
        if result.fault or chosen.each or chosen.seeds == 1:
            sys.stdout.write(f"{result}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{total}\n")
    return 1 if total.bad or (total.untaken and chosen.seeds >= EACH_ROW_FROM) else 0


def _setting(chosen: argparse.Namespace) -> Setting:
    setting = replace(DAYS, chaos_s=chosen.days * DAY_S) if chosen.days else Setting()
    if chosen.workers:
        setting = replace(setting, workers=chosen.workers, fewest_workers=chosen.workers)
    return replace(setting, tasks=chosen.tasks or setting.tasks)


if __name__ == "__main__":
    sys.exit(main())
