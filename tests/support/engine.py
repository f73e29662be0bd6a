"""An engine without gRPC: a real database, the real engine, and a clock that the test controls."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from support.clock import FakeClock, FakeEntropy
from swarmd.domain.claim import Claim
from swarmd.domain.definition import PlannedTask, TaskDefinition
from swarmd.domain.lease_ids import parse_lease_id
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import (
    FailureClass,
    Order,
    Outcome,
    OutcomeKind,
    SessionRole,
    Task,
    TaskId,
    WorkerIdentity,
    WorkerName,
)
from swarmd.domain.policy import Backoff
from swarmd.domain.session_grants import AnnouncedToken
from swarmd.domain.shared_budget import PlannedBudget
from swarmd.engine import bulk
from swarmd.engine.attempts.outcomes import FinishResult
from swarmd.engine.attempts.sessions import SessionStart
from swarmd.engine.bulk import ActionBatch
from swarmd.engine.live.state import ConnectedWorker
from swarmd.engine.observer import Observer
from swarmd.engine.swarm import EnginePolicy, Swarm
from swarmd.engine.tasks import lookup, plans
from swarmd.engine.workers.registry import HeartbeatPolicy
from swarmd.store import events
from swarmd.store.database import Database
from swarmd.store.events import Event

PACE = HeartbeatPolicy(
    heartbeat_s=10.0, suspect_after_s=30.0, lost_after_s=1800.0, stop_after_s=1730.0, look_every_s=10.0
)
_DIGESTS = itertools.count(1)


def task(task_id: str, *dependencies: str, status: str = "not_started", **fields: Any) -> PlannedTask:
    """Returns a planned task."""
    definition = TaskDefinition(TaskId(task_id), dependencies=tuple(map(TaskId, dependencies)), **fields)
    return PlannedTask(definition, TaskStatus(status))


def outcome(kind: str, *, failure: str | None = None, error: str = "", report: str = "{}") -> Outcome:
    """Returns an outcome with a digest of its own, as a worker with --no-validation reports it."""
    return Outcome(
        kind=OutcomeKind(kind),
        failure_class=None if failure is None else FailureClass(failure),
        error=error,
        report=report,
        digest=next(_DIGESTS).to_bytes(32, "big"),
        validation_waived=True,
    )


@dataclass
class FakeWorker:
    """A worker as the engine sees it; `claims` and `orders` hold the messages that it got."""

    swarm: Swarm
    server_side: ConnectedWorker
    claims: list[Claim]
    orders: list[Order]

    @property
    def name(self) -> WorkerName:
        return self.server_side.identity.name

    async def receive(self) -> None:
        """Receives the messages that wait in the mailbox, if any."""
        box = self.server_side.mailbox
        if not box.closed and not box.empty:
            batch = await box.next_batch()
            assert batch is not None
            self.claims += [claim for _, claim in batch.claims]
            self.orders += batch.orders

    async def claim(self, task_id: str) -> Claim:
        """Returns the latest claim of that task, which must have arrived."""
        await self.receive()
        return next(c for c in reversed(self.claims) if c.definition.task_id == task_id)

    async def start(
        self,
        claim: Claim,
        role: str = "builder",
        *,
        session_id: str = "",
        runner: str = "command",
        token: AnnouncedToken | None = None,
    ) -> Order | None:
        """Asks for the go of a session."""
        session_id = session_id or f"{claim.definition.task_id}-a{claim.number}-{role}-{claim.epoch}"
        start = SessionStart(claim.lease_id, session_id, SessionRole(role), runner, token)
        return await self.swarm.db.write(
            partial(self.swarm.sessions.record_start, worker=self.name, start=start)
        )

    async def finish(self, claim: Claim, result: Outcome) -> FinishResult:
        """Reports an outcome."""
        finish = self.swarm.outcomes.finish
        return await self.swarm.db.write(
            lambda tx: finish(tx, self.name, claim.lease_id, result),
        )

    async def complete(self, task_id: str, *, runner: str = "command") -> FinishResult:
        """Runs the task from its claim to its completion."""
        claim = await self.claim(task_id)
        assert await self.start(claim, runner=runner) is None
        return await self.finish(claim, outcome("completed"))

    async def fail(self, task_id: str, failure: str = "agent_error") -> FinishResult:
        """Runs the task from its claim to a failure."""
        claim = await self.claim(task_id)
        assert await self.start(claim) is None
        return await self.finish(claim, outcome("failed", failure=failure, error=f"{failure} happened"))

    def beat(self, *claims: Claim) -> Sequence[Order]:
        """Sends a heartbeat that lists the claims; returns the orders."""
        identity = self.server_side.identity
        lease_ids = [claim.lease_id for claim in claims]
        answer = self.swarm.workers.heartbeat(identity.name, identity.incarnation, lease_ids, leaving=False)
        return answer.orders


@dataclass
class EngineHarness:
    """An engine under test."""

    path: Path
    clock: FakeClock
    swarm: Swarm

    async def add(
        self,
        *plan: PlannedTask,
        clear: bool = False,
        concurrency: Mapping[str, int] | None = None,
        budget: PlannedBudget | None = None,
    ) -> plans.ImportResult:
        return await self.swarm.db.write(
            partial(plans.add, plan=plan, clear=clear, concurrency=concurrency or {}, budget=budget)
        )

    async def worker(
        self, name: str = "w1", *, slots: int = 1, held: Sequence[str] = (), **identity: Any
    ) -> FakeWorker:
        whole = WorkerIdentity(
            name=WorkerName(name), incarnation=f"{name}-1", instance=f"{name}-instance", slots=slots, labels={},
            runner="command", host="host", pid=1, version="0", containment="subreaper",
        )  # fmt: skip
        worker = await self.swarm.open_stream(replace(whole, **identity), held)
        return FakeWorker(self.swarm, worker, [], [])

    async def task(self, task_id: str) -> Task:
        return await self.swarm.db.read(lambda tx: lookup.resolve(tx, task_id))

    async def status(self, task_id: str) -> str:
        return (await self.task(task_id)).status.value

    async def statuses(self, *task_ids: str) -> list[str]:
        return [await self.status(task_id) for task_id in task_ids]

    async def events(self, task_id: str = "") -> list[Event]:
        found = await self.swarm.db.read(partial(events.after, seq=0, limit=100_000, task_id=task_id))
        return list(found)

    async def kinds(self, task_id: str = "") -> list[str]:
        return [event.kind.value for event in await self.events(task_id)]

    async def kill(self, *names: str, cause: str = "") -> list[str]:
        """Kills tasks; raises the first refusal."""
        return await _all_done(bulk.kill_named(self.swarm, names, cause))

    async def retry(self, *names: str, failed: bool = False) -> list[str]:
        """Retries tasks, and all failed ones if `failed`; raises the first refusal."""
        wanted = [*names, *(await self.swarm.db.read(bulk.failed_ids) if failed else ())]
        return await _all_done(bulk.retry_named(self.swarm, wanted))

    async def land(self, *names: str) -> ActionBatch:
        """Orders the landing of tasks; returns all that came of it, and raises the first refusal."""
        done = [batch async for batch in bulk.land_named(self.swarm, names)]
        for refusal in [refusal for batch in done for refusal in batch.refused]:
            raise refusal.error
        return done[0]

    async def drain_writes(self) -> None:
        """Waits for every write that was started."""
        for _ in range(3):
            await self.swarm.db.write(lambda _tx: None)

    async def after_backoff(self, seconds: float = 600.0) -> None:
        """Moves the clock past all backoffs."""
        self.clock.pass_s(seconds)
        await self.drain_writes()


async def _all_done(batches: AsyncIterator[ActionBatch]) -> list[str]:
    done = [batch async for batch in batches]
    for refusal in [refusal for batch in done for refusal in batch.refused]:
        raise refusal.error
    return [view.task_id for batch in done for view in batch.tasks]


@contextlib.asynccontextmanager
async def engine_harness(
    path: Path,
    *,
    clock: FakeClock | None = None,
    chance: float = 1.0,
    observer: Observer | None = None,
    exclusive_files: bool = False,
    budgets: Sequence[PlannedBudget] = (),
) -> AsyncIterator[EngineHarness]:
    """Runs an engine on the database at `path`; a second one goes on from the same state."""
    clock = clock or FakeClock()
    db = Database(path, wall_us=clock.wall_us)
    swarm = Swarm(
        db,
        clock=clock,
        entropy=FakeEntropy(chance),
        policy=EnginePolicy(PACE, Backoff(2.0, 300.0), exclusive_files=exclusive_files, budgets=budgets),
        observer=observer,
    )
    await swarm.boot()
    try:
        yield EngineHarness(path, clock, swarm)
    finally:
        await swarm.close()
        await db.close()


def is_current(claim: Claim, number: int) -> bool:
    """Returns whether the lease is of that attempt."""
    ref = parse_lease_id(claim.lease_id)
    return ref is not None and ref.number == number
