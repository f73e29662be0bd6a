"""R17: the claim of a task while thousands wait for an exclusive name or a file, beside the claim without them.

The engine runs without the wire. The time is that of the writer's thread for the life of a task: claim, go, outcome.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from cost import adding_time, lives
from measure import Finding, Pairs, Setting, at_most
from programs import folder

from support.engine import EngineHarness, FakeWorker, engine_harness, task
from swarmd.domain.model import WorkerName
from swarmd.store.database import Database

WAITING: Final = 10_000
FEW: Final = 10
# The lives of each side, in blocks that take turns, so that both sides meet the same noise.
BLOCKS: Final = 40
BLOCK: Final = 10
_KINDS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("name", {"exclusive": ("db",)}),
    ("file", {"files": ("src/a.py",)}),
)


class _Side(NamedTuple):
    """An engine, a worker with a slot, and what it took until the worker had its first task."""

    swarm: EngineHarness
    worker: FakeWorker
    aside_ms: float


def findings(setting: Setting) -> Iterator[Finding]:
    """Ratios of the time of a life with and without tasks that wait, and the time until they have been put aside."""
    for kind, needs in _KINDS:
        free, turn, aside_ms = Pairs(), Pairs(), []
        for _ in range(setting.pairs):
            aside_ms.append(asyncio.run(_beside_waiting(needs, free)))
            asyncio.run(_in_turn(needs, turn))
        yield Finding(
            "R17", f"life of a task, {WAITING:,} ready tasks wait for a {kind} ÷ none", free.ratios,
            at_most(1.1), beside=free.beside("µs", "without µs"),
        )  # fmt: skip
        yield Finding(
            "R17", f"life of a task that has waited for a {kind} with {WAITING:,} others ÷ with few",
            turn.ratios, at_most(1.1), beside=turn.beside("µs", "few µs"),
        )  # fmt: skip
        yield Finding(
            "R17", f"until {WAITING:,} ready tasks are put aside for a {kind}, and others start", aside_ms,
            unit=" ms",
        )  # fmt: skip


async def _beside_waiting(needs: dict[str, Any], pairs: Pairs) -> float:
    """Measures tasks that need nothing; returns the milliseconds until the first of them started."""
    async with AsyncExitStack() as stack:
        ours, reference = [await _side(stack, needs, waiting) for waiting in (WAITING, 0)]
        pairs.add(*await _alternating(ours, reference))
    return ours.aside_ms


async def _in_turn(needs: dict[str, Any], pairs: Pairs) -> None:
    """Measures tasks that need the same thing, one after the other."""
    many = BLOCKS * BLOCK + 1
    async with AsyncExitStack() as stack:
        sides = [await _side(stack, needs, waiting + many) for waiting in (WAITING, FEW)]
        holders = []
        for side in sides:
            holder = side.swarm.swarm.live.workers[WorkerName("holder")]
            held = FakeWorker(side.swarm.swarm, holder, [], [])
            await lives(held, [await held.claim("holder")])
            await lives(side.worker, [side.worker.claims.pop()])
            held.claims.clear()
            await held.receive()
            holders.append(_Side(side.swarm, held, 0.0))
        pairs.add(*await _alternating(*holders))


async def _side(stack: AsyncExitStack, needs: dict[str, Any], waiting: int) -> _Side:
    swarm = await stack.enter_async_context(engine_harness(stack.enter_context(folder()) / "swarm.db"))
    await swarm.worker("holder")
    await swarm.add(task("holder", **needs))
    worker = await swarm.worker("free")
    await swarm.add(
        *(task(f"w{n}", priority=9, **needs) for n in range(waiting)),
        *(task(f"t{n}") for n in range(BLOCKS * BLOCK + 2)),
    )
    begin = time.perf_counter()
    while not worker.claims:
        await swarm.swarm.db.write(lambda _tx: None)
        await worker.receive()
    return _Side(swarm, worker, 1_000 * (time.perf_counter() - begin))


async def _alternating(ours: _Side, reference: _Side) -> tuple[float, float]:
    """Returns the microseconds of the writer's thread for a life on each side."""
    sums = [0.0, 0.0]
    for _ in range(BLOCKS):
        for index, side in enumerate((ours, reference)):
            sums[index] += await _spent_s(side.worker)
    return 1e6 * sums[0] / (BLOCKS * BLOCK), 1e6 * sums[1] / (BLOCKS * BLOCK)


async def _spent_s(worker: FakeWorker) -> float:
    """Returns the seconds of the writer's thread for the next lives."""
    spent: dict[str, float] = {}
    commit = Database._commit  # noqa: SLF001  # where the writer's thread spends its time
    with patch.object(Database, "_commit", adding_time(commit, "all", spent)):
        for _ in range(BLOCK):
            await worker.receive()
            await lives(worker, [worker.claims.pop()])
    return spent["all"]
