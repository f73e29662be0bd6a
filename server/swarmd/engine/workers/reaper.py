"""Notices silence. Deadlines are monotonic, in memory, and in full again after a start of the server."""

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

# How late a round may be on a busy machine without a doubt that the process ran meanwhile.
_LATE_S: Final = 2.0
# With fewer workers, most of them being dead is nothing strange.
_BRAKE_FROM: Final = 3

Write = Callable[[Callable[[Tx], None]], Coroutine[Any, Any, None]]


class Reaper:
    """Looks once in a while; `look` does one round and is given the write to use."""

    def __init__(
        self, *, live: LiveState, fleet: WorkerRegistry, clock: Clock, pace: HeartbeatPolicy
    ) -> None:
        self._live = live
        self._fleet = fleet
        self._clock = clock
        self._pace = pace
        self._looked_s = clock.monotonic_s()
        self._released = False

    async def look(self, write: Write) -> None:
        """Suspects workers that are late, and loses leases that nobody has spoken for too long."""
        self._forgive_stall()
        now_s = self._clock.monotonic_s()
        silent: defaultdict[WorkerName, list[LiveLease]] = defaultdict(list)
        for found in self._live.leases():
            if now_s - found.heard_s > self._suspect_after_s():
                silent[found.lease.worker].append(found)
        quiet = self._late(now_s) | silent.keys()
        await self._brake(write, quiet)
        for name in sorted(quiet):
            await self._judge(write, name, silent[name], now_s)

    def release_brake(self) -> None:
        """An operator says that the silent workers are gone indeed."""
        self._released = True

    async def _brake(self, write: Write, quiet: set[WorkerName]) -> None:
        """Gives nobody up while most are silent: then it is this server, or the network, that is cut off."""
        known = self._live.members.keys() | {found.lease.worker for found in self._live.leases()}
        most = len(known) >= _BRAKE_FROM and 2 * len(quiet) > len(known)
        self._released = self._released and most
        paused = most and not self._released
        if paused == self._live.expiry_paused:
            return
        self._live.expiry_paused = paused
        if not paused and not self._released:
            self._live.refresh()
        kind = EventKind.EXPIRY_PAUSED if paused else EventKind.EXPIRY_RESUMED
        cause = f"{len(quiet)} of {len(known)} workers are silent"
        await write(partial(_record, kind=kind, cause=cause))

    def _late(self, now_s: float) -> set[WorkerName]:
        """Workers that were heard, and are not any more."""
        limit_s = self._suspect_after_s()
        return {name for name, member in self._live.members.items() if now_s - member.heard_s > limit_s}

    async def _judge(self, write: Write, name: WorkerName, silent: Sequence[LiveLease], now_s: float) -> None:
        member = self._live.members.get(name)
        waiting: list[Lease] = [found.lease for found in silent if not found.started]
        lost = [found.lease for found in silent if now_s - found.heard_s > self._pace.lost_after_s]
        newly = member is not None and not member.suspect and now_s - member.heard_s > self._suspect_after_s()
        if newly or waiting:
            if member is not None:
                member.suspect = True
            await write(partial(self._suspect, name=name, leases=waiting))
        gone = member is not None and now_s - member.heard_s > self._pace.lost_after_s
        if (lost or gone) and not self._live.expiry_paused:
            for lease in lost:
                # From here on a heartbeat that lists it comes too late, also while this is being written.
                self._live.doom(lease, f"worker {name} was lost")
            await write(partial(self._lose, name=name, leases=lost))

    def _suspect(self, tx: Tx, *, name: WorkerName, leases: Sequence[Lease]) -> None:
        self._fleet.suspect(tx, name, leases)

    def _lose(self, tx: Tx, *, name: WorkerName, leases: Sequence[Lease]) -> None:
        self._fleet.lose(tx, name, leases)

    def _suspect_after_s(self) -> float:
        # Never less than three beats at the stretched pace.
        return max(self._pace.suspect_after_s, 3 * self._fleet.heartbeat_s())

    def _forgive_stall(self) -> None:
        """A round that comes late means that this process stood still, and heard nobody meanwhile."""
        now_s = self._clock.monotonic_s()
        gap_s = now_s - self._looked_s
        self._looked_s = now_s
        if gap_s > 2 * self._pace.look_every_s + _LATE_S:
            for found in self._live.leases():
                found.heard_s += gap_s
            for member in self._live.members.values():
                member.heard_s += gap_s


def _record(tx: Tx, *, kind: EventKind, cause: str) -> None:
    events.append(tx, kind, cause=cause)
