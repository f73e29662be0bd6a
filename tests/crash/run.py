"""`PYTHONPATH=tests python -m crash.run --nth 50 --kills 1000 --seed 1`: swarmd dies everywhere, for long."""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from crash.arena import arena
from crash.life import killed_at_random, rounds_until_dead, table, worker

KILLS_A_RUN = 50
VERBS = ("AddTasks", "KillTask", "EmergencyStop", "ResumeSwarm")
METHODS = ("ClaimTask", "RecordSession", "FinishTask", "Heartbeat", "GetTask")
OFTEN = (
    "commit.before",
    "commit.after",
    *(f"{name}.{when}" for name in METHODS for when in ("reply", "replied")),
)


async def at_failpoints(places: Sequence[str]) -> int:
    """Dies at each of them; how many rounds were judged."""
    with tempfile.TemporaryDirectory() as folder:
        async with arena(Path(folder)) as found:
            found.start()
            await found.tend()
            worker(found, "w1")
            found.failpoints = list(places)
            rounds = await rounds_until_dead(found)
            for this in rounds:
                this.judge()
            assert await found.stop() == 0
            assert found.faults() == []
            return len(rounds)


async def at_random(seed: int, kills: int) -> None:
    """Dies that often under load."""
    with tempfile.TemporaryDirectory() as folder:
        async with arena(Path(folder)) as found:
            await killed_at_random(found, seed=seed, tasks=5 * kills, kills=kills)


def main() -> None:
    parser = argparse.ArgumentParser(prog="crash.run")
    parser.add_argument("--nth", type=int, default=50)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    places = table(OFTEN, range(1, given.nth + 1))
    places += table([f"{verb}.{when}" for verb in VERBS for when in ("reply", "replied")], (1, 2, 3))
    random.Random(given.seed).shuffle(places)
    began_s = time.monotonic()
    rounds = sum(
        asyncio.run(at_failpoints(places[start : start + 40])) for start in range(0, len(places), 40)
    )
    _say(f"{len(places)} deaths at failpoints over {rounds} rounds: 0 lost, 0 doubled", began_s)
    for run, start in enumerate(range(0, given.kills, KILLS_A_RUN)):
        asyncio.run(at_random(given.seed + run, min(KILLS_A_RUN, given.kills - start)))
    _say(f"{given.kills} random kills under load, seeds from {given.seed}: 0 lost, 0 doubled", began_s)


def _say(text: str, began_s: float) -> None:
    sys.stdout.write(f"{text} ({time.monotonic() - began_s:.0f} s)\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
