"""`PYTHONPATH=tests python -m sim.run`: replays a seed, or runs many, or one for virtual days."""

import argparse
import sys
import time
from collections import Counter
from dataclasses import replace

from sim.simulation import Row, Setting, simulate
from swarmd.domain.lifecycle import TRANSITIONS

DAY_S = 86_400.0


def main() -> int:
    """Prints what came of each; the exit code says whether every promise was kept and every row was taken."""
    parser = argparse.ArgumentParser(prog="sim.run", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--days", type=float, default=0.0, help="virtual days of faults, at the default pace")
    parser.add_argument("--workers", type=int, default=0, help="how many workers")
    parser.add_argument("--tasks", type=int, default=0, help="how many tasks operators add in all")
    parser.add_argument("--each", action="store_true", help="print a line for each seed")
    parser.add_argument("--verbose", action="store_true", help="print everything that happens")
    chosen = parser.parse_args()
    setting = _setting(days=chosen.days, workers=chosen.workers, tasks=chosen.tasks)
    began, counts, rows, bad = time.monotonic(), Counter[str](), Counter[Row](), 0
    virtual_s, events, sessions = 0.0, 0, 0
    for seed in range(chosen.seed, chosen.seed + chosen.seeds):
        result = simulate(seed, setting, echo=chosen.verbose)
        counts, rows = counts + result.counts, rows + result.rows
        virtual_s, events, sessions = (
            virtual_s + result.virtual_s,
            events + result.events,
            sessions + result.sessions,
        )
        bad += bool(result.fault)
        if result.fault or chosen.each or chosen.seeds == 1:
            sys.stdout.write(f"{result}\n")
            sys.stdout.flush()
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"{chosen.seeds} seeds, {bad} bad; {events:,} events, {virtual_s / 3600:,.1f} virtual hours, "
        f"{sessions:,} sessions, {seconds:.1f} s\n"
    )
    sys.stdout.write(", ".join(f"{kind} {count}" for kind, count in sorted(counts.items())) + "\n")
    untaken = [row for row in table() if row not in rows]
    least = min(rows.values(), default=0)
    sys.stdout.write(
        f"rows of the table never taken: {untaken or 'none'}; the rarest was taken {least} times\n"
    )
    return 1 if bad or (untaken and chosen.seeds > 1) else 0


def table() -> list[Row]:
    """Every row of the table of transitions."""
    return [(status, transition) for status, row in TRANSITIONS.items() for transition in row]


def _setting(*, days: float, workers: int, tasks: int) -> Setting:
    setting = Setting()
    if days:
        # The pace of a swarm whose operator has set nothing; people and faults come at random all the time.
        setting = Setting(
            chaos_s=days * DAY_S,
            fault_every_s=120.0,
            verb_every_s=60.0,
            heartbeat_s=10.0,
            suspect_after_s=30.0,
            lost_after_s=1_800.0,
            mean_s=(600.0,),
            stall_s=900.0,
        )
    if workers:
        setting = replace(setting, workers=workers, fewest_workers=workers)
    return replace(setting, tasks=tasks or setting.tasks)


if __name__ == "__main__":
    sys.exit(main())
