"""`PYTHONPATH=tests python -m model.run`: explores larger bounds, or shows how a mutant breaks an invariant."""

import argparse
import sys
from dataclasses import fields, replace
from typing import Any

from model.checker import ATTEMPTS, Machine, Report, explore
from model.configurations import LARGE, SMALL, catches
from model.exclusive import NAMES, SHOWS_NAMES, SMALL_NAMES, NameRules
from model.funds import FUNDS, SHOWS_FUNDS, SMALL_FUNDS, FundRules
from model.landing import configurations as landing
from model.landing.invariants import machine
from model.landing.state import LandingRules
from model.protocol import Rules


def main() -> int:
    """Prints what each exploration found; the exit code says whether all is well."""
    parser = argparse.ArgumentParser(prog="model.run", description=__doc__)
    rules = [field.name for kind in (Rules, LandingRules, NameRules, FundRules) for field in fields(kind)]
    parser.add_argument("--mutant", choices=rules, help="take this rule away and print the shortest trace")
    parser.add_argument("--large", action="store_true", help="the bounds of `make soak`, minutes")
    chosen = parser.parse_args()
    if chosen.mutant:
        sys.stdout.write(f"{chosen.mutant}: {_mutant(chosen.mutant)}\n")
        return 0
    states = bad = 0
    explored: list[tuple[str, Any, Any, Machine]] = [
        *((name, bounds, Rules(), ATTEMPTS) for name, bounds in (LARGE if chosen.large else SMALL).items()),
        *(
            (name, bounds, LandingRules(), machine())
            for name, bounds in (landing.LARGE if chosen.large else landing.SMALL).items()
        ),
        *((name, bounds, NameRules(), NAMES) for name, bounds in SMALL_NAMES.items()),
        *((name, bounds, FundRules(), FUNDS) for name, bounds in SMALL_FUNDS.items()),
    ]
    for name, bounds, kept, explored_machine in explored:
        report = explore(bounds, kept, machine=explored_machine)
        states, bad = states + report.states, bad + bool(report.fault)
        sys.stdout.write(f"{name}: {report}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{states:,} states in {len(explored)} settings, {bad} with a fault\n")
    return 1 if bad else 0


def _mutant(rule: str) -> Report:
    if rule in [field.name for field in fields(Rules)]:
        return explore(catches(rule), replace(Rules(), **{rule: False}))
    if rule in SHOWS_NAMES:
        return explore(SHOWS_NAMES[rule], replace(NameRules(), **{rule: False}), machine=NAMES)
    if rule in SHOWS_FUNDS:
        return explore(SHOWS_FUNDS[rule], replace(FundRules(), **{rule: False}), machine=FUNDS)
    rules = replace(LandingRules(), **{rule: False})
    return explore(landing.landing_catches(rule), rules, machine=machine(rules))


if __name__ == "__main__":
    sys.exit(main())
