"""Longer runs and replays: `PYTHONPATH=tests python -m fuzz.run plans|calls --seed N [--count N] [--only N]`.

`--count` is files or rounds of calls; `--only` plays the one file or round that a failure names.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fuzz import calls, plans

DEFAULTS: Final = {"plans": 20_000, "calls": 80}


def main(argv: Sequence[str] | None = None) -> int:
    """Plays; prints the figures and each failure; returns 1 if there is a failure."""
    parser = argparse.ArgumentParser(prog="fuzz.run", description=__doc__)
    parser.add_argument("what", choices=sorted(DEFAULTS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, help="how many files, or rounds")
    parser.add_argument("--only", type=int, help="the number of one of them")
    given = parser.parse_args(argv)
    count = given.count or DEFAULTS[given.what]
    numbers = range(count) if given.only is None else range(given.only, given.only + 1)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        if given.what == "plans":
            read = plans.play(given.seed, numbers, folder)
            figures, failures = dict(read.outcomes), read.failures
        else:
            called = asyncio.run(calls.play(given.seed, numbers, folder))
            figures, failures = dict(called.codes), called.failures
    for failure in failures:
        sys.stdout.write(f"FAILURE {failure}\n")
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(figures.items()))
    total = f"{sum(figures.values())} mutated {given.what}"
    sys.stdout.write(f"{total}, {len(failures)} failures ({kinds}; seed {given.seed})\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
