"""`PYTHONPATH=tests python -m sim.run`: replays a seed, or runs many, or for virtual days."""

import argparse
import sys
import time
from collections import Counter

from sim.simulation import Setting, simulate

DAYS = Setting(workers=12, tasks=2_000, chaos_s=3 * 86_400.0, fault_every_s=120.0, verb_every_s=60.0)


def main() -> int:
    """Prints what came of each; the exit code says whether every promise was kept."""
    parser = argparse.ArgumentParser(prog="sim.run", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--soak", action="store_true", help="three virtual days, more workers and tasks")
    parser.add_argument("--late-joins", action="store_true", help="requests for a stream may be overtaken")
    parser.add_argument("--verbose", action="store_true", help="print everything that happens")
    chosen = parser.parse_args()
    setting = DAYS if chosen.soak else Setting(late_joins=chosen.late_joins)
    began, counts, bad = time.monotonic(), Counter[str](), 0
    virtual_s, events = 0.0, 0
    for seed in range(chosen.seed, chosen.seed + chosen.seeds):
        result = simulate(seed, setting, echo=chosen.verbose)
        counts.update(result.counts)
        virtual_s, events = virtual_s + result.virtual_s, events + result.events
        bad += bool(result.fault)
        if result.fault or chosen.seeds == 1:
            sys.stdout.write(f"{result}\n")
            sys.stdout.flush()
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"{chosen.seeds} seeds, {bad} bad; {events} events, {virtual_s / 3600:.1f} virtual hours, {seconds:.1f} s\n"
    )
    sys.stdout.write(", ".join(f"{kind} {count}" for kind, count in sorted(counts.items())) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
