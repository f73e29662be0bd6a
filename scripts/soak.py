"""`make soak`: the long proofs, one after the other, with a line of figures for each.

Invariant: a proof is the same program that the tests run for seconds, with more seeds. Its last line on
stdout is its figures, and its exit code is 0 if all held.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).resolve().parents[1] / "tests"


@dataclass(frozen=True)
class Proof:
    """A proof; `seeded` if it takes --seed."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    seeded: bool = True


PROOFS: Final = (
    Proof("power", "disk.run", ("--images", "10000")),
    Proof("places", "crash.run", ("places", "--count", "1000")),
    Proof("kills", "crash.run", ("kills", "--count", "1000")),
    Proof("plans", "fuzz.run", ("plans", "--count", "20000")),
    Proof("calls", "fuzz.run", ("calls", "--count", "80")),
    Proof("chaos", "chaos.run", ("--count", "12")),
    Proof("crowd", "workspaces.run", ("crowd", "--count", "12")),
    Proof("landings", "workspaces.run", ("kills", "--count", "30")),
    Proof("orders", "workspaces.run", ("orders", "--count", "30")),
    Proof("trees", "kill.run", ("--count", "5"), seeded=False),
    Proof("model", "model.run", ("--large",), seeded=False),
    Proof("seeds", "sim.run", ("--seeds", "2000")),
    Proof("days", "sim.run", ("--days", "3", "--workers", "50", "--tasks", "2000")),
)


def prove(proof: Proof, seed: int) -> bool:
    """Runs one; prints its figures, and all that it said if it fails."""
    argv = [sys.executable, "-m", proof.module, *proof.arguments]
    argv += ["--seed", str(seed)] if proof.seeded else []
    began_s = time.monotonic()
    done = subprocess.run(
        argv, cwd=TESTS.parent, env={**os.environ, "PYTHONPATH": str(TESTS)}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    held = done.returncode == 0
    figures = done.stdout.rstrip().rpartition("\n")[2]
    _say(f"{proof.name:8} {'held' if held else 'FAILED':6} {time.monotonic() - began_s:6.0f} s  {figures}")
    if not held:
        _say(f"{done.stdout}again: PYTHONPATH=tests python -m {' '.join(argv[2:])}")
    return held


def main(argv: Sequence[str] | None = None) -> int:
    """Proves all, or those that are named; ends with 1 if one failed."""
    names = [proof.name for proof in PROOFS]
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="where the seeds of each begin")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; without one, all")
    given = parser.parse_args(argv)
    if unknown := set(given.names) - set(names):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = [proof for proof in PROOFS if proof.name in (given.names or names)]
    failed = [proof for proof in chosen if not prove(proof, given.seed)]
    return 1 if failed else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
