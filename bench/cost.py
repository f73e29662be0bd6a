"""The processor time of one task inside the engine: statements, commit, and the rest, which is Python.

The engine runs without the wire, on its writer's thread: claim, go and outcome, one task at a time, and
many that share their commits. The cost of the wire is the difference to the server's time for a step in R1.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial, wraps
from typing import Any, Final
from unittest.mock import patch

from measure import Finding, Setting
from programs import folder

from support.engine import FakeWorker, engine_harness, outcome, task
from swarmd.domain.claim import Claim
from swarmd.domain.model import SessionRole
from swarmd.engine.attempts.sessions import SessionStart
from swarmd.store.database import Database
from swarmd.store.deferred_writes import DeferredWrites
from swarmd.store.group_commit import GroupCommit
from swarmd.store.transaction import ReadTx, Tx

TASKS: Final = 640
TOGETHER: Final = (1, 32)
_PARTS: Final = (
    (ReadTx, "all", "statements"), (ReadTx, "one", "statements"), (ReadTx, "value", "statements"),
    (Tx, "run", "statements"), (Tx, "run_many", "statements"), (DeferredWrites, "flush", "statements"),
    (GroupCommit, "_commit", "commit"), (Database, "_commit", "all"),
)  # fmt: skip


def findings(setting: Setting) -> Iterator[Finding]:
    """Microseconds of the writer's thread for the life of a task."""
    for together in TOGETHER:
        rounds = [asyncio.run(_round(together)) for _ in range(setting.pairs)]
        beside = {part: sum(each[part] for each in rounds) / len(rounds) for part in ("statements", "commit")}
        totals = [each["all"] for each in rounds]
        rest = sum(totals) / len(totals) - sum(beside.values())
        name = f"writer's time for a task's life, {together} sharing each commit"
        yield Finding("cost", name, totals, unit=" µs", beside={**beside, "python": rest})


async def _round(together: int) -> dict[str, float]:
    spent: dict[str, float] = {}
    with folder() as where, ExitStack() as stack:
        async with engine_harness(where / "swarm.db") as swarm:
            await swarm.add(*(task(f"t{n}") for n in range(TASKS)))
            worker = await swarm.worker(slots=together)
            for owner, name, part in _PARTS:
                stack.enter_context(patch.object(owner, name, adding_time(getattr(owner, name), part, spent)))
            for _ in range(TASKS // together):
                await worker.receive()
                await lives(worker, worker.claims)
                worker.claims.clear()
    return {part: 1e6 * seconds / TASKS for part, seconds in spent.items()}


async def lives(worker: FakeWorker, claims: list[Claim]) -> None:
    """Writes every go in one transaction, like one message of a worker, and then every outcome."""
    swarm = worker.swarm
    starts = [
        partial(swarm.sessions.record_start, worker=worker.name, start=_start(claim)) for claim in claims
    ]
    await swarm.db.write(lambda tx: [start(tx) for start in starts])
    ends = [(claim.lease_id, outcome("completed")) for claim in claims]
    await swarm.db.write(lambda tx: [swarm.outcomes.finish(tx, worker.name, *end) for end in ends])


def _start(claim: Claim) -> SessionStart:
    return SessionStart(claim.lease_id, f"{claim.definition.task_id}-s", SessionRole.BUILDER, "bench")


def adding_time(call: Callable[..., Any], part: str, spent: dict[str, float]) -> Callable[..., Any]:
    """Adds the time of the call to its part; a query that flushes deferred writes counts as one call."""

    @wraps(call)
    def timed(*args: Any, **named: Any) -> Any:
        begin, before = time.thread_time(), spent.get(part, 0.0)
        try:
            return call(*args, **named)
        finally:
            spent[part] = before + time.thread_time() - begin

    return timed
