"""The swarm: every verb that operators and workers have, each one write or one read.

Built once by the daemon. The verbs return when what they did is durable.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from swarmd.domain.errors import StorageFull
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import Lease, OrderAction, SwarmMode, TaskId, TaskKey, WorkerIdentity, WorkerName
from swarmd.domain.policy import Backoff
from swarmd.engine.attempts.kills import Kills
from swarmd.engine.attempts.outcomes import Outcomes
from swarmd.engine.attempts.sessions import Sessions
from swarmd.engine.auth.logins import Logins
from swarmd.engine.auth.tokens import Access
from swarmd.engine.dispatch.dispatcher import Dispatcher
from swarmd.engine.live.mailbox import Mailbox
from swarmd.engine.live.retry_timers import RetryTimers, end_wait
from swarmd.engine.live.state import ConnectedWorker, LiveState
from swarmd.engine.live.wakeups import Wakeups
from swarmd.engine.observer import NullObserver, Observer
from swarmd.engine.ports import Clock, Entropy
from swarmd.engine.workers.reaper import Reaper
from swarmd.engine.workers.registry import HeartbeatPolicy, WorkerRegistry
from swarmd.store import attempts, events, swarm, tasks, workers
from swarmd.store.database import Database
from swarmd.store.events import EventKind
from swarmd.store.reads import views
from swarmd.store.sessions import LogLimits
from swarmd.store.transaction import Tx

# How long until what found the disk full is tried again.
FULL_RETRY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator of the server has chosen."""

    pace: HeartbeatPolicy
    backoff: Backoff
    log: LogLimits = LogLimits()  # noqa: RUF009  # it never changes


class Swarm:
    """The engine's parts, wired to one database."""

    # Whether workers are told which trace their attempts belong to.
    traced = False

    def __init__(
        self,
        db: Database,
        *,
        clock: Clock,
        entropy: Entropy,
        policy: Policy,
        observer: Observer | None = None,
    ) -> None:
        self.db = db
        self.clock = clock
        self.policy = policy
        self.observer = observer or NullObserver()
        self.swarm_id = ""
        self.feed = Wakeups()
        self.live = LiveState(clock)
        self.access = Access(entropy)
        self.logins = Logins(self.access, clock, entropy)
        self.dispatcher = Dispatcher(
            self.live,
            entropy,
            stranded=lambda lease: self._spawn(self._give_back(lease)),
            observer=self.observer,
        )
        self.backoffs = RetryTimers(clock, self._backoff_over)
        self.outcomes = Outcomes(
            live=self.live,
            dispatcher=self.dispatcher,
            backoffs=self.backoffs,
            feed=self.feed,
            entropy=entropy,
            backoff=policy.backoff,
        )
        self.sessions = Sessions(self.live, self.feed, self.observer, policy.log)
        self.kills = Kills(self.live, self.dispatcher)
        self.fleet = self._fleet(policy.pace)
        self.reaper = Reaper(live=self.live, fleet=self.fleet, clock=clock, pace=policy.pace)
        self._tasks: set[asyncio.Task[None]] = set()
        self._follow_commits()

    async def boot(self) -> None:
        """Takes up what the database holds: leases with full deadlines, backoffs and drains in full, tokens."""
        await self.db.write(self._boot)

    async def join(self, identity: WorkerIdentity, held: Sequence[str]) -> ConnectedWorker:
        """Opens a worker's stream."""
        mailbox = Mailbox()
        try:
            return await self.db.write(lambda tx: self.fleet.join(tx, identity, held, mailbox))
        except asyncio.CancelledError:
            # The worker has hung up, but the write may come through: nothing may be sent to nobody.
            mailbox.close()
            raise

    async def part(self, member: ConnectedWorker) -> None:
        """A worker's stream has ended: claims that never left are free again."""
        member.mailbox.close()
        for lease in member.mailbox.untaken():
            await self._give_back(lease)

    async def drain(self, name: WorkerName | None, deadline_s: float | None) -> Sequence[WorkerName]:
        """Drains one worker, or all that are connected; returns which."""
        connected = [n for n, member in self.live.members.items() if member.connected]
        drained = [name] if name is not None else connected
        await self.db.write(lambda tx: self.kills.drain(tx, drained, within_s=deadline_s))
        if deadline_s is not None:
            self._end_drain_later(drained, deadline_s)
        return drained

    async def resume(self, *, requeue: bool) -> Sequence[TaskId]:
        """Ends every pause and stop; returns the tasks that were put back."""
        self.reaper.release_brake()
        return await self.db.write(partial(self.kills.resume, requeue=requeue))

    async def look(self) -> None:
        """One round of the reaper."""
        await self.reaper.look(self.db.write)

    async def close(self) -> None:
        """Ends what runs beside the verbs; the database is the daemon's."""
        self.backoffs.close()
        self.feed.close()
        for member in list(self.live.members.values()):
            member.mailbox.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _fleet(self, pace: HeartbeatPolicy) -> WorkerRegistry:
        return WorkerRegistry(
            live=self.live,
            dispatcher=self.dispatcher,
            outcomes=self.outcomes,
            clock=self.clock,
            pace=pace,
            nudge=lambda: self._spawn(self.db.write(_nothing)),
            observer=self.observer,
        )

    def _follow_commits(self) -> None:
        self.db.hooks.before_commit = self._before_commit
        self.db.hooks.after_rollback = self._after_rollback
        self.db.hooks.after_commit = self.observer.committed

    def _boot(self, tx: Tx) -> None:
        events.append(tx, EventKind.SERVER_STARTED)
        self.swarm_id = swarm.get(tx).swarm_id
        self.access.load(tx)
        self.logins.load(tx)
        for found in attempts.all_open(tx):
            started = found.status is not TaskStatus.CLAIMED
            policy = views.definition(tx, found.lease.task_key).on_disconnect
            self.live.open_lease(found.lease, None, policy, started=started)
            if found.status is TaskStatus.KILLING:
                stopped = found.mode is SwarmMode.STOPPED
                action = OrderAction.STOP_NOW if stopped else OrderAction.STOP
                self.live.order(found.lease, action, found.cause)
        for name, within_s in workers.drain_deadlines(tx):
            tx.after_commit(partial(self._end_drain_later, [name], within_s))
        for key, backoff_s in tasks.in_backoff(tx):
            tx.after_commit(partial(self.backoffs.wait, key, backoff_s))

    def _before_commit(self, tx: Tx) -> None:
        """The end of every group of writes: whatever became ready is claimed in the same commit."""
        self.dispatcher.grant(tx)
        if not tx.has_events:
            return
        # Said always: memory may be a commit behind, so what it has now does not tell whether this is news.
        tx.after_commit(partial(self.live.set_done, not swarm.has_open(tx)))
        tx.after_commit(self.feed.wake)

    def _after_rollback(self) -> None:
        """A group was not stored, so workers that its claims would have filled have room after all."""
        for member in list(self.live.members.values()):
            self.dispatcher.feed(member)

    async def _give_back(self, lease: Lease) -> None:
        await self.db.write(partial(self.outcomes.give_back, lease=lease, cause="its stream ended"))

    def _backoff_over(self, key: TaskKey) -> None:
        self._spawn(self._insist(lambda tx: end_wait(tx, key)))

    def _end_drain_later(self, names: Sequence[WorkerName], within_s: float) -> None:
        self.clock.call_later(within_s, lambda: self._spawn(self._end_drain(names, within_s)))

    async def _end_drain(self, names: Sequence[WorkerName], within_s: float) -> None:
        leases: list[Lease] = [found.lease for name in names for found in self.live.leases_of(name)]
        for lease in leases:
            await self._insist(partial(self.kills.end_drain, lease=lease, within_s=within_s))

    async def _insist(self, operation: Callable[[Tx], None]) -> None:
        """Writes what nobody would ask for again, however long the disk is full."""
        while True:
            try:
                return await self.db.write(operation)
            except StorageFull:
                again = asyncio.Event()
                self.clock.call_later(FULL_RETRY_S, again.set)
                await again.wait()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _nothing(_tx: Tx) -> None:
    """A write for the sake of what follows every write: a look for something to claim."""
