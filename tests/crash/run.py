"""`PYTHONPATH=tests python -m crash.run places|kills --seed N [--count N]`: long runs in which swarmd dies.

`places` draws `count` failpoints, each at one of its first 50 passes. `kills` kills the server `count` times at
moments drawn from the seed.
"""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from crash.arena import arena
from crash.life import VERBS, dies_at, killed_at_random, replies, table

PASSINGS: Final = range(1, 51)
# The number of deaths of one swarm.
DEATHS_A_RUN: Final = 40
KILLS_A_RUN: Final = 50
WORKERS: Final = 10
METHODS: Final = ("ClaimTask", "RecordSession", "FinishTask", "Heartbeat", "GetTask")
OFTEN: Final = ("commit.before", "commit.after", *replies(*METHODS))


async def at_failpoints(places: Sequence[str]) -> int:
    """Dies at each place; returns the number of judged rounds."""
    with tempfile.TemporaryDirectory() as folder:
        async with arena(Path(folder)) as found:
            return await dies_at(found, places)


async def at_random(seed: int, kills: int) -> int:
    """Dies `kills` times under load; returns the number of tasks."""
    with tempfile.TemporaryDirectory() as folder:
        async with arena(Path(folder)) as found:
            return await killed_at_random(found, seed=seed, kills=kills, workers=WORKERS)


def play_places(seed: int, count: int) -> str:
    """Returns the figures of deaths at failpoints."""
    places = table(OFTEN, PASSINGS) + table(replies(*VERBS), (1, 2, 3))
    random.Random(seed).shuffle(places)
    del places[count:]
    rounds = sum(
        asyncio.run(at_failpoints(places[start : start + DEATHS_A_RUN]))
        for start in range(0, len(places), DEATHS_A_RUN)
    )
    return f"{len(places)} deaths at failpoints over {rounds} rounds of tasks, kills and stops"


def play_kills(seed: int, count: int) -> str:
    """Returns the figures of deaths at random moments."""
    tasks = sum(
        asyncio.run(at_random(seed + run, min(KILLS_A_RUN, count - start)))
        for run, start in enumerate(range(0, count, KILLS_A_RUN))
    )
    return f"{count} kills of the server at random moments, {tasks} tasks on {WORKERS} workers"


def main(argv: Sequence[str] | None = None) -> None:
    """Plays; a lost or doubled task is an error that names its seed."""
    parser = argparse.ArgumentParser(prog="crash.run", description=__doc__)
    parser.add_argument("what", choices=("places", "kills"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1_000, help="how many deaths, at most all places")
    given = parser.parse_args(argv)
    # No program outlives an interrupted run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    play = play_places if given.what == "places" else play_kills
    began_s = time.monotonic()
    figures = play(given.seed, given.count)
    seconds = time.monotonic() - began_s
    sys.stdout.write(f"{figures}: 0 lost, 0 doubled ({seconds:.0f} s, seeds from {given.seed})\n")


if __name__ == "__main__":
    main()
