"""`PYTHONPATH=tests python -m disk.run --images 10000 --seed 1`: cuts the power and prints the losses."""

import argparse
import sys
import time

from disk import powerloss
from disk.vfs import lay_under_checksums


def main() -> None:
    parser = argparse.ArgumentParser(prog="disk.run")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    lay_under_checksums()
    began_s = time.monotonic()
    tally = powerloss.run(given.images, given.seed)
    sys.stdout.write(f"{tally.line()} ({time.monotonic() - began_s:.0f} s, seeds from {given.seed})\n")
    if tally.bad:
        sys.exit("\n".join(tally.bad[:20]))


if __name__ == "__main__":
    main()
