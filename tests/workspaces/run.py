"""`PYTHONPATH=tests python -m workspaces.run crowd|kills|orders`: workers that make clones of one repository.

`crowd` lets `count` tasks commit and land at once on four workers. `kills` kills worker, server or machine `count`
times, at moments of builders, snapshots, checks and landings that are drawn from the seed. `orders` does the same to
work that is kept until `swarmctl land` orders its landing.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from support.waiting import until
from workspaces.fleet import CloneFleet, fleet
from workspaces.project import Line

WORKERS: Final = 4
# The line of the ledger after which a kill falls, and up to how many seconds later.
MOMENTS: Final = {
    "builder": ("begin", 0.6),
    "snapshot": ("built", 0.3),
    "checks": ("checks", 0.3),
    "landing": ("landing", 0.4),
}
# Between two orders to land what is kept by then.
ORDER_EVERY_S: Final = 3.0
VICTIMS: Final = ("worker", "server", "machine")


class Kill(NamedTuple):
    """A death: whose, after the beginning of what, and how many seconds later."""

    victim: str
    moment: str
    delay_s: float


def draw(seed: int, count: int) -> Iterator[Kill]:
    """Draws kills; every victim and every moment comes in turn, in an order of the seed."""
    rng = random.Random(seed)
    pairs = [(victim, moment) for victim in VICTIMS for moment in MOMENTS]
    rng.shuffle(pairs)
    for number in range(count):
        victim, moment = pairs[number % len(pairs)]
        yield Kill(victim, moment, rng.uniform(0, MOMENTS[moment][1]))


def crowd(folder: Path, count: int) -> str:
    """Lets tasks land at once; returns the figures."""
    tasks = names(0, count)
    with fleet(folder, workers=WORKERS) as swarm:
        began_s = time.monotonic()
        swarm.add(tasks)
        swarm.finish()
        seconds = time.monotonic() - began_s
        swarm.judge(tasks)
        found, attempts = swarm.project.found, len(swarm.project.attempt_refs())
    return (
        f"{count} tasks on {WORKERS} workers in one repository, {found['commits of builders']} commits of builders,"
        f" {attempts - count} conflicts, {count} commits on the target, each passes its checks, {seconds:.0f} s"
    )


def kills(folder: Path, seed: int, count: int, *, keeps: bool = False) -> str:
    """Kills the programs while tasks land, by an order if their work is kept; returns the figures."""
    tasks: list[str] = []
    with fleet(folder, workers=WORKERS, keeps=keeps) as swarm:
        for kill in draw(seed, count):
            _provide(swarm, tasks)
            line = _reached(swarm, kill)
            # The seed decides how much later the kill falls; no condition is awaited.
            time.sleep(kill.delay_s)
            _strike(swarm, kill, line)
        swarm.finish()
        swarm.judge(tasks)
        found = swarm.project.found
    return (
        f"{count} kills of worker, server and machine while {len(tasks)} tasks were built and"
        f" landed{' by an order' if keeps else ''}:"
        f" {found['finished builders']} finished builders, 0 of their commits lost, 0 tasks landed twice"
    )


def _provide(swarm: CloneFleet, tasks: list[str]) -> None:
    """Adds tasks if few are left."""
    begun = {line.task for line in swarm.project.lines() if line.word == "begin"}
    if len(tasks) - len(begun) < WORKERS:
        more = names(len(tasks), 2 * WORKERS)
        swarm.add(more)
        tasks += more


def _reached(swarm: CloneFleet, kill: Kill) -> Line:
    """Waits until a session or check reaches the moment; returns its line."""
    word = MOMENTS[kill.moment][0]
    before, ordered_s = len(swarm.project.lines()), 0.0

    def reached() -> list[Line]:
        nonlocal ordered_s
        found = [line for line in swarm.project.lines()[before:] if line.word == word]
        if not found and time.monotonic() > ordered_s + ORDER_EVERY_S:
            swarm.order_landings()
            ordered_s = time.monotonic()
        return found

    return until(reached, f"a session reaches {kill}", deadline_s=120)[0]


def _strike(swarm: CloneFleet, kill: Kill, line: Line) -> None:
    if kill.victim == "worker":
        swarm.kill_worker(line)
    elif kill.victim == "server":
        swarm.kill_server()
    else:
        swarm.kill_machine()


def names(first: int, count: int) -> list[str]:
    """Returns ids of tasks, of which two and two add a line at the same place."""
    return [f"p{number // 2:03d}{'ab'[number % 2]}" for number in range(first, first + count)]


def main(argv: Sequence[str] | None = None) -> None:
    """Plays; work that is lost or lands twice is an error that names its seed."""
    parser = argparse.ArgumentParser(prog="workspaces.run", description=__doc__)
    parser.add_argument("what", choices=("crowd", "kills", "orders"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, help="how many tasks, or deaths")
    given = parser.parse_args(argv)
    # No program outlives an interrupted run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began_s = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"workspaces-{given.seed}-"))
    try:
        if given.what == "crowd":
            figures = crowd(folder, given.count or 12)
        else:
            figures = kills(folder, given.seed, given.count or 30, keeps=given.what == "orders")
    except AssertionError as fault:
        sys.exit(f"seed {given.seed}: {fault}; see {folder}")
    shutil.rmtree(folder)
    sys.stdout.write(f"{figures} ({time.monotonic() - began_s:.0f} s, seed {given.seed})\n")


if __name__ == "__main__":
    main()
