"""What grows with the number of tasks, and what must not: importing, and claiming."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import yaml
from measure import Figure, Samples, timed

from support.engine import bench, outcome, task
from support.plans import random_plan, write_plan
from support.programs import stage
from swarmd.domain.model import PlannedTask

IMPORTED = 10_000
SMALL, LARGE = 1_000, 50_000
CLAIMS = 300


def figures() -> Iterator[Figure]:
    """All of them."""
    folder = Path(tempfile.mkdtemp(prefix="swarm-bench-"))
    try:
        yield _import(folder)
        yield from asyncio.run(_claims(folder))
    finally:
        shutil.rmtree(folder)


def _import(folder: Path) -> Figure:
    write_plan(folder / "plan.yaml", random_plan(IMPORTED, 1))
    with stage(folder) as swarm:
        swarm.swarmd()
        with timed() as parsing, (folder / "plan.yaml").open() as file:
            yaml.load(file, Loader=yaml.CSafeLoader)
        with timed() as importing:
            swarm.ctl("import", "plan.yaml")
    return Figure(
        f"import of {IMPORTED:,} tasks with dependencies",
        f"{importing.seconds:.1f} s",
        f"{importing.seconds / parsing.seconds:.1f} × parsing the file alone with PyYAML's C loader",
    )


async def _claims(folder: Path) -> list[Figure]:
    """One claim, one go and one outcome at a time, among few tasks and among many."""
    shapes = {"independent": _independent, "chain": _chain}
    found = []
    for name, make in shapes.items():
        small = await _claim_times(folder / f"{name}-small", make(SMALL))
        large = await _claim_times(folder / f"{name}-large", make(LARGE))
        ratios = [large.ms(share) / small.ms(share) for share in (0.5, 0.99)]
        found.append(
            Figure(
                f"a step among {LARGE:,} tasks ÷ among {SMALL:,}, {name}",
                f"p50 {ratios[0]:.2f}, p99 {ratios[1]:.2f}",
                f"outcome and next claim, durable: {large.shown()}",
            )
        )
    return found


async def _claim_times(path: Path, plan: Sequence[PlannedTask]) -> Samples:
    samples = Samples()
    path.mkdir()  # noqa: ASYNC240  # nothing else runs yet
    async with bench(path / "swarm.db") as swarm:
        await swarm.add(*plan)
        worker = await swarm.worker()
        for _ in range(CLAIMS):
            await worker.take()
            claim = worker.claims.pop()
            await worker.start(claim)
            finish = partial(worker.finish, claim, outcome("completed"))
            with samples.one():
                await finish()
    return samples


def _independent(count: int) -> list[PlannedTask]:
    return [task(f"t{n}") for n in range(count)]


def _chain(count: int) -> list[PlannedTask]:
    return [task(f"t{n}", *(f"t{m}" for m in range(max(0, n - 3), n))) for n in range(count)]
