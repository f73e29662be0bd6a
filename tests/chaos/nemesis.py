"""The faults of a chaos run and their times, all drawn from the seed before the run starts.

Invariant: no worker is under two faults at once, so that the end of a fault heals it.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chaos.proxy import Toxics, Way


class Fault(StrEnum):
    """The kinds of faults."""

    LATENCY = "latency"
    BANDWIDTH = "bandwidth"
    SLICES = "slices"
    HOLE = "blackhole"
    HOLE_UP = "blackhole of what workers send"
    HOLE_DOWN = "blackhole of what the server sends"
    HOLE_ALL = "blackhole of everybody"
    RESET = "reset"
    HALF_OPEN_SERVER = "the server vanishes without a word"
    HALF_OPEN_WORKER = "workers vanish without a word"
    SLOW_CLOSE = "slow close"
    KILL_WORKER = "SIGKILL of a worker"
    STOP_WORKER = "SIGSTOP of a worker"
    KILL_SERVER = "SIGKILL of swarmd"
    STOP_SERVER = "SIGSTOP of swarmd"


TOXICS: Final = {
    Fault.LATENCY: Toxics(latency_s=0.075, jitter_s=0.05),
    Fault.BANDWIDTH: Toxics(bytes_per_s=20_000),
    Fault.SLICES: Toxics(slice_bytes=7),
    Fault.HOLE: Toxics(hole=Way.BOTH),
    Fault.HOLE_UP: Toxics(hole=Way.UP),
    Fault.HOLE_DOWN: Toxics(hole=Way.DOWN),
    Fault.HOLE_ALL: Toxics(hole=Way.BOTH),
    Fault.SLOW_CLOSE: Toxics(slow_close_s=1.0),
}
# The number of workers that each fault hits (0 is all healthy ones) and its duration. Leases expire after 5 s.
_MEASURES: Final[dict[Fault, tuple[int, float, float]]] = {
    Fault.LATENCY: (0, 1.5, 2.5),
    Fault.BANDWIDTH: (4, 1.5, 2.5),
    Fault.SLICES: (0, 1.0, 2.0),
    Fault.HOLE: (2, 5.5, 6.5),
    Fault.HOLE_UP: (1, 2.0, 6.0),
    Fault.HOLE_DOWN: (1, 2.0, 6.0),
    Fault.HOLE_ALL: (0, 2.0, 3.5),
    Fault.RESET: (0, 0.0, 0.0),
    Fault.HALF_OPEN_SERVER: (3, 0.0, 0.0),
    Fault.HALF_OPEN_WORKER: (3, 0.0, 0.0),
    Fault.SLOW_CLOSE: (3, 1.0, 2.0),
    Fault.KILL_WORKER: (1, 0.0, 1.0),
    Fault.STOP_WORKER: (1, 5.5, 6.5),
    Fault.KILL_SERVER: (0, 0.0, 1.0),
    Fault.STOP_SERVER: (0, 1.0, 3.5),
}
OF_SERVER: Final = (Fault.KILL_SERVER, Fault.STOP_SERVER)
# A fault of all healthy workers waits until this many are healthy.
MOST: Final = 5
# These faults come twice a run.
_TWICE: Final = (Fault.RESET, Fault.KILL_WORKER)
GAP_S: Final = (0.3, 1.1)


@dataclass(frozen=True, slots=True)
class Step:
    """A fault: its start, the numbers of the workers that it hits, and its duration."""

    at_s: float
    fault: Fault
    workers: tuple[int, ...]
    for_s: float

    @property
    def until_s(self) -> float:
        return self.at_s + self.for_s

    def describe(self) -> str:
        """Returns the step as the timeline shows it."""
        whom = "" if self.fault in OF_SERVER else " of " + ",".join(f"w{n}" for n in self.workers)
        how_long = f" for {self.for_s:.1f} s" if self.for_s else ""
        return f"{self.fault}{whom}{how_long}"


def draw(seed: int, *, workers: int) -> Sequence[Step]:
    """Draws every fault at least once; the seed decides the order, the times and the workers."""
    rng = random.Random(seed)
    faults = [*Fault, *_TWICE]
    rng.shuffle(faults)
    well_from_s = [0.0] * workers
    steps, now_s = [], 1.0
    for fault in faults:
        count, least_s, most_s = _MEASURES[fault]
        wanted = workers if fault is Fault.HOLE_ALL else count or min(workers, MOST)
        if fault not in OF_SERVER:
            # The moment at which `wanted` workers are healthy.
            now_s = max(now_s, sorted(well_from_s)[wanted - 1])
        well = [n for n in range(workers) if well_from_s[n] <= now_s and fault not in OF_SERVER]
        whom = sorted(rng.sample(well, count)) if count else well
        step = Step(round(now_s, 2), fault, tuple(whom), round(rng.uniform(least_s, most_s), 2))
        steps.append(step)
        for n in whom:
            well_from_s[n] = step.until_s
        now_s += rng.uniform(*GAP_S) + (step.for_s if fault in OF_SERVER else 0.0)
    return steps
