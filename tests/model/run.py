"""`PYTHONPATH=tests python -m model.run`: explores larger bounds, or shows how a mutant breaks an invariant."""

import argparse
import sys
from dataclasses import fields, replace

from model.checker import explore
from model.configurations import LARGE, SMALL, catches
from model.protocol import Rules


def main() -> int:
    """Prints what each exploration found; the exit code says whether all is well."""
    parser = argparse.ArgumentParser(prog="model.run", description=__doc__)
    rules = [field.name for field in fields(Rules)]
    parser.add_argument("--mutant", choices=rules, help="take this rule away and print the shortest trace")
    parser.add_argument("--large", action="store_true", help="the bounds of `make soak`, minutes")
    chosen = parser.parse_args()
    if chosen.mutant:
        bounds = catches(chosen.mutant)
        sys.stdout.write(f"{chosen.mutant}: {explore(bounds, replace(Rules(), **{chosen.mutant: False}))}\n")
        return 0
    states = bad = 0
    explored = LARGE if chosen.large else SMALL
    for name, bounds in explored.items():
        report = explore(bounds)
        states, bad = states + report.states, bad + bool(report.fault)
        sys.stdout.write(f"{name}: {report}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{states:,} states in {len(explored)} settings, {bad} with a fault\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
