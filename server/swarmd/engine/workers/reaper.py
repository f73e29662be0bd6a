"""The reaper of silent workers and expired leases. Deadlines are monotonic and in memory; a restart renews them."""

from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

from swarmd.domain.model import Lease, WorkerName
from swarmd.engine.live.state import LiveLease, LiveState
from swarmd.engine.ports import Clock
from swarmd.engine.workers.registry import HeartbeatPolicy, WorkerRegistry
from swarmd.store import events
from swarmd.store.events import EventKind
from swarmd.store.transaction import Tx

# A busy machine may delay a round by this much; a longer delay means that the process stood still.
_LATE_S: Final = 2.0
# With fewer workers, the death of most of them is not unusual.
_PAUSE_FROM: Final = 3
# How often workers that are gone are looked for and forgotten.
FORGET_EVERY_S: Final = 3_600.0

Write = Callable[[Callable[[Tx], None]], Coroutine[Any, Any, None]]


class Reaper:
    """The periodic check of deadlines; `check` runs one round with the write that it is given."""

    def __init__(
        self, *, live: LiveState, workers: WorkerRegistry, clock: Clock, pace: HeartbeatPolicy
    ) -> None:
        self._live = live
        self._workers = workers
        self._clock = clock
        self._pace = pace
        self._checked_s = clock.monotonic_s()
        self._overridden = False
        # By then each worker of before the start has come back or is lost.
        self._forget_at_s = self._checked_s + max(pace.lost_after_s, FORGET_EVERY_S)

    async def check(self, write: Write) -> None:
        """Marks silent workers as suspect, and ends leases that no heartbeat has listed for too long."""
        self._discount_own_stall()
        now_s = self._clock.monotonic_s()
        silent: defaultdict[WorkerName, list[LiveLease]] = defaultdict(list)
        for found in self._live.leases():
            if now_s - found.heard_s > self._suspect_after_s():
                silent[found.lease.worker].append(found)
        silent_names = self._silent_workers(now_s) | silent.keys()
        await self._pause_expiry_if_most_silent(write, silent_names)
        for name in sorted(silent_names):
            await self._check_worker(write, name, silent[name], now_s)
        if now_s >= self._forget_at_s:
            self._forget_at_s = now_s + FORGET_EVERY_S
            await write(self._workers.forget)

    def resume_expiry(self) -> None:
        """Lets leases expire although most workers are silent, since an operator says that those are gone."""
        self._overridden = True

    async def _pause_expiry_if_most_silent(self, write: Write, silent_names: set[WorkerName]) -> None:
        """Pauses expiry while most workers are silent: then this server or its network is cut off."""
        known = self._live.workers.keys() | {found.lease.worker for found in self._live.leases()}
        most = len(known) >= _PAUSE_FROM and 2 * len(silent_names) > len(known)
        self._overridden = self._overridden and most
        paused = most and not self._overridden
        if paused == self._live.expiry_paused:
            return
        self._live.expiry_paused = paused
        if not paused and not self._overridden:
            self._live.reset_deadlines()
        kind = EventKind.EXPIRY_PAUSED if paused else EventKind.EXPIRY_RESUMED
        cause = f"{len(silent_names)} of {len(known)} workers are silent"
        await write(partial(_record, kind=kind, cause=cause))

    def _silent_workers(self, now_s: float) -> set[WorkerName]:
        """Returns the registered workers whose last heartbeat is too old."""
        limit_s = self._suspect_after_s()
        return {name for name, worker in self._live.workers.items() if now_s - worker.heard_s > limit_s}

    async def _check_worker(
        self, write: Write, name: WorkerName, silent: Sequence[LiveLease], now_s: float
    ) -> None:
        worker = self._live.workers.get(name)
        waiting: list[Lease] = [found.lease for found in silent if not found.started]
        lost = [found.lease for found in silent if now_s - found.heard_s > self._pace.lost_after_s]
        newly = worker is not None and not worker.suspect and now_s - worker.heard_s > self._suspect_after_s()
        if newly or waiting:
            if worker is not None:
                worker.suspect = True
            await write(partial(self._suspect, name=name, leases=waiting))
        gone = worker is not None and now_s - worker.heard_s > self._pace.lost_after_s
        if (lost or gone) and not self._live.expiry_paused:
            for lease in lost:
                # From now on a heartbeat that lists it comes too late, even before the write below commits.
                self._live.order_abandon(lease, f"worker {name} was lost")
            await write(partial(self._lose, name=name, leases=lost))

    def _suspect(self, tx: Tx, *, name: WorkerName, leases: Sequence[Lease]) -> None:
        self._workers.mark_suspect(tx, name, leases)

    def _lose(self, tx: Tx, *, name: WorkerName, leases: Sequence[Lease]) -> None:
        self._workers.mark_lost(tx, name, leases)

    def _suspect_after_s(self) -> float:
        # At least three heartbeats of the present interval.
        return max(self._pace.suspect_after_s, 3 * self._workers.heartbeat_s())

    def _discount_own_stall(self) -> None:
        """Extends all deadlines by a stall of this process: it heard no worker meanwhile."""
        now_s = self._clock.monotonic_s()
        gap_s = now_s - self._checked_s
        self._checked_s = now_s
        if gap_s > 2 * self._pace.look_every_s + _LATE_S:
            for found in self._live.leases():
                found.heard_s += gap_s
            for worker in self._live.workers.values():
                worker.heard_s += gap_s


def _record(tx: Tx, *, kind: EventKind, cause: str) -> None:
    events.append(tx, kind, cause=cause)
