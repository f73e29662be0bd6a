"""The facade of the engine: its parts, and the actions that touch several of them.

Invariant: an action returns when its changes are durable. The daemon builds one Swarm.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from swarmd.domain.artifacts import ArtifactLimits
from swarmd.domain.errors import StorageFull
from swarmd.domain.follow_ups import FollowUpLimits
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import (
    Disposition,
    Lease,
    TaskId,
    TaskKey,
    WorkerIdentity,
    WorkerName,
)
from swarmd.domain.policy import Backoff
from swarmd.domain.shared_budget import PlannedBudget
from swarmd.engine.attempts import leases, overspending
from swarmd.engine.attempts.artifacts import Artifacts
from swarmd.engine.attempts.landings import Landings
from swarmd.engine.attempts.outcomes import FinishResult, Outcomes
from swarmd.engine.attempts.session_calls import SessionCalls
from swarmd.engine.attempts.sessions import FinishBatch, Sessions
from swarmd.engine.attempts.swarm_control import SwarmControl
from swarmd.engine.auth.joining import Joining
from swarmd.engine.auth.logins import Logins
from swarmd.engine.auth.tokens import TokenRegistry
from swarmd.engine.dispatch.dispatcher import Dispatcher
from swarmd.engine.live.mailbox import Mailbox
from swarmd.engine.live.retry_timers import RetryTimers
from swarmd.engine.live.state import ConnectedWorker, LiveState
from swarmd.engine.live.wakeups import Wakeups
from swarmd.engine.observer import NullObserver, Observer
from swarmd.engine.ports import Clock, Entropy, Ports
from swarmd.engine.tasks import plans
from swarmd.engine.tasks.shared_budgets import begin_day, configure, day_of
from swarmd.engine.workers.reaper import Reaper
from swarmd.engine.workers.registry import HeartbeatPolicy, WorkerRegistry
from swarmd.store import attempts, events, runner_pauses, sessions, swarm, tasks, workers
from swarmd.store.database import Database
from swarmd.store.events import EventKind
from swarmd.store.reads import views
from swarmd.store.sessions import LogLimits
from swarmd.store.transaction import Tx

# The delay before a write that found the disk full is tried again.
FULL_RETRY_S: Final = 5.0
# A dependency is checked this often on a reader; if the graph changes each time, it is checked by the writer.
GRAPH_CHECKS: Final = 5


@dataclass(frozen=True, slots=True)
class EnginePolicy:
    """The intervals, backoff and limits that the operator of the server has set."""

    pace: HeartbeatPolicy
    backoff: Backoff
    log: LogLimits = LogLimits()  # noqa: RUF009  # it is immutable
    # Tasks whose files overlap never run at once, also in clones.
    exclusive_files: bool = False
    quiet_after_s: float = 300.0  # without anything new, a task is shown as quiet
    artifacts: ArtifactLimits = ArtifactLimits()  # noqa: RUF009  # it is immutable
    budgets: Sequence[PlannedBudget] = ()  # of the day, and of accounts
    follow_ups: FollowUpLimits = FollowUpLimits()  # noqa: RUF009  # it is immutable


class Swarm:
    """The engine's parts, wired to one database."""

    traced = False  # set by the trace exporter: claims then carry the trace of their attempt

    def __init__(
        self,
        db: Database,
        *,
        clock: Clock,
        entropy: Entropy,
        policy: EnginePolicy,
        observer: Observer | None = None,
    ) -> None:
        self.db = db
        self.clock = clock
        self.policy = policy
        self.observer = observer or NullObserver()
        self.swarm_id = ""
        self.wakeups = Wakeups()
        self.live = LiveState(clock)
        self.tokens = TokenRegistry(clock, entropy)
        self.joining = Joining(self.tokens)
        self.logins = Logins(self.tokens, clock, entropy)
        self.dispatcher = self._new_dispatcher(entropy)
        self.retry_timers = RetryTimers[TaskKey](clock, partial(self._due, tasks.make_ready))
        self.cooldowns = RetryTimers[int](clock, partial(self._due, runner_pauses.half_open))
        self.outcomes = Outcomes(
            live=self.live,
            dispatcher=self.dispatcher,
            retry_timers=self.retry_timers,
            cooldowns=self.cooldowns,
            wakeups=self.wakeups,
            entropy=entropy,
            backoff=policy.backoff,
        )
        self.sessions = Sessions(self.live, self.wakeups, self.observer, policy.log)
        self.session_calls = SessionCalls(policy.follow_ups)
        self.control = SwarmControl(self.live, self.dispatcher, self.wakeups, self.outcomes.breaker)
        self.landings = Landings(db, self.live, self.wakeups, clock)
        self.artifacts = Artifacts(db, policy.artifacts, clock)
        self.workers = self._worker_registry(Ports(clock, entropy, self.observer))
        self.reaper = Reaper(live=self.live, workers=self.workers, clock=clock, pace=policy.pace)
        self._tasks: set[asyncio.Task[None]] = set()
        self._hook_commits()

    async def boot(self) -> None:
        """Loads the state of the database: leases and drains with full deadlines, full backoffs, tokens."""
        await self.db.write(self._boot)

    async def open_stream(self, identity: WorkerIdentity, held: Sequence[str]) -> ConnectedWorker:
        """Registers a worker that opens its stream and holds the leases `held`."""
        mailbox = Mailbox()
        try:
            return await self.db.write(lambda tx: self.workers.register(tx, identity, held, mailbox))
        except asyncio.CancelledError:
            # The stream is closed, but the write may still commit: no claim may be sent to it.
            mailbox.close()
            raise

    async def close_stream(self, worker: ConnectedWorker) -> None:
        """Releases the claims that were not sent over the stream that has ended."""
        worker.mailbox.close()
        for lease in worker.mailbox.undelivered():
            await self._release_undelivered(lease)

    def request_dispatch(self) -> None:
        """Starts an empty write, so that ready tasks are assigned without waiting for the next one."""
        self._spawn(self.db.write(lambda _tx: None))

    def finish_many(self, tx: Tx, worker: WorkerName, batch: FinishBatch) -> list[FinishResult]:
        """Writes a worker's batch: all progress, then for each attempt the ends of its sessions and its outcome."""
        for progress in batch.progress:
            self.sessions.record_progress(tx, worker, progress)
        results = []
        for report in batch.attempts:
            if report is None:
                results.append(FinishResult(Disposition.UNKNOWN, None))
                continue
            for end in report.ends:
                self.sessions.record_end(tx, worker, end)
            results.append(self.outcomes.finish(tx, worker, report.lease_id, report.outcome))
        return results

    async def known_leases(self, worker: WorkerName, lease_ids: Collection[str]) -> Collection[str]:
        """Returns those of the ids that are, or were, leases of this worker."""
        known = {lease_id for lease_id in lease_ids if self.live.holds(worker, lease_id)}
        rest = [lease_id for lease_id in lease_ids if lease_id not in known]
        if rest:
            known.update(await self.db.read(partial(leases.known, worker=worker, lease_ids=rest)))
        return known

    async def drain(self, name: WorkerName | None, deadline_s: float | None) -> Sequence[WorkerName]:
        """Drains one worker, or all connected ones if `name` is None; returns the names."""
        connected = [n for n, worker in self.live.workers.items() if worker.connected]
        drained = [name] if name is not None else connected
        await self.db.write(lambda tx: self.control.drain(tx, drained, within_s=deadline_s))
        if deadline_s is not None:
            self._end_drain_later(drained, deadline_s)
        return drained

    async def change_dependency(self, task_id: str, dependency: str, *, remove: bool) -> TaskId:
        """Adds or removes a dependency; a new one is checked for cycles on a reader, so the writer stays free."""
        write = partial(plans.change_dependency, task_id=task_id, dependency=dependency, remove=remove)
        for _ in range(0 if remove else GRAPH_CHECKS):
            check = partial(plans.check_dependency, task_id=task_id, dependency=dependency)
            with contextlib.suppress(plans.GraphChanged):
                return await self.db.write(partial(write, checked_seq=await self.db.read(check)))
        return await self.db.write(write)

    async def resume(self, *, requeue: bool) -> Sequence[TaskId]:
        """Ends a pause or stop, and lets one task through paused runners; returns the tasks that were put back."""
        self.reaper.resume_expiry()
        self.live.provider_holds.clear()
        return await self.db.write(partial(self.control.resume, requeue=requeue))

    async def check_leases(self) -> None:
        """Runs one round of the reaper, and notices a new day."""
        await self.reaper.check(self.db.write)
        if (day := day_of(self.clock.wall_us())) != self.live.day:
            await self.db.write(partial(begin_day, day=day))
            self.live.day = day

    async def close(self) -> None:
        """Ends timers, streams and background tasks; the daemon closes the database."""
        self.retry_timers.close()
        self.cooldowns.close()
        self.live.provider_holds.close()
        self.wakeups.close()
        self.db.replication.close()
        for worker in list(self.live.workers.values()):
            worker.mailbox.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _new_dispatcher(self, entropy: Entropy) -> Dispatcher:
        return Dispatcher(
            self.live,
            entropy,
            # Its release is a write, after which the dispatcher runs again: a task of its own cuts the cycle.
            on_undeliverable=lambda lease: self._spawn(self._release_undelivered(lease)),
            on_unfinished=self.request_dispatch,
            observer=self.observer,
            exclusive_files=self.policy.exclusive_files,
        )

    def _worker_registry(self, ports: Ports) -> WorkerRegistry:
        return WorkerRegistry(
            live=self.live, dispatcher=self.dispatcher, outcomes=self.outcomes, ports=ports,
            pace=self.policy.pace, request_dispatch=self.request_dispatch,
        )  # fmt: skip

    def _hook_commits(self) -> None:
        self.db.hooks.before_commit = self._before_commit
        self.db.hooks.after_rollback = self._after_rollback
        self.live.provider_holds.on_end = self.request_dispatch
        self.db.hooks.after_commit = self.observer.committed

    def _boot(self, tx: Tx) -> None:
        events.append(tx, EventKind.SERVER_STARTED)
        self.swarm_id = swarm.get(tx).swarm_id
        self.live.real_work = swarm.has_real_work(tx)
        self.tokens.load(tx)
        self.logins.load(tx)
        for found in attempts.all_open(tx):
            started = found.status is not TaskStatus.CLAIMED
            policy = views.definition(tx, found.lease.task_key).on_disconnect
            self.live.open_lease(found.lease, None, policy, started=started)
            overspending.order_again(self.live, found)
        self.live.grants.load(sessions.grants(tx))
        for name, within_s in workers.drain_deadlines(tx):
            tx.after_commit(partial(self._end_drain_later, [name], within_s))
        self.outcomes.breaker.boot(tx)
        self.live.day = day_of(self.clock.wall_us())
        configure(tx, self.policy.budgets, day=self.live.day)
        for key, backoff_s in tasks.in_backoff(tx):
            tx.after_commit(partial(self.retry_timers.start, key, backoff_s))

    def _before_commit(self, tx: Tx) -> None:
        """Ends every group of writes: claims in the same commit what has become ready."""
        self.dispatcher.assign_ready_tasks(tx)
        if not tx.has_events:
            return
        # Always set: memory may be a commit behind, so its present value doesn't show if this one is news.
        tx.after_commit(partial(self.live.set_done, not swarm.has_open(tx)))
        tx.after_commit(self.wakeups.notify)

    def _after_rollback(self) -> None:
        """Marks all workers free: a group was not stored, so the claims in it have used no slot."""
        self.live.provider_holds.undo()
        self.live.real_work = False
        for worker in list(self.live.workers.values()):
            self.dispatcher.mark_free(worker)

    async def _release_undelivered(self, lease: Lease) -> None:
        await self.db.write(partial(self.outcomes.release_undelivered, lease=lease, cause="its stream ended"))

    def _due(self, write: Callable[[Tx, Any], object], key: Any) -> None:
        self._spawn(self._write_with_retry(lambda tx: write(tx, key)))

    def _end_drain_later(self, names: Sequence[WorkerName], within_s: float) -> None:
        self.clock.call_later(within_s, lambda: self._spawn(self._end_drain(names, within_s)))

    async def _end_drain(self, names: Sequence[WorkerName], within_s: float) -> None:
        held: list[Lease] = [found.lease for name in names for found in self.live.leases_of(name)]
        for lease in held:
            await self._write_with_retry(partial(self.control.end_drain, lease=lease, within_s=within_s))

    async def _write_with_retry(self, operation: Callable[[Tx], object]) -> None:
        """Writes, and tries again for as long as the disk is full: no caller would ask for this write again."""
        while True:
            try:
                await self.db.write(operation)
            except StorageFull:
                again = asyncio.Event()
                self.clock.call_later(FULL_RETRY_S, again.set)
                await again.wait()
            else:
                return

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
