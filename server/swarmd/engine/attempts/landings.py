"""The right to land on a target: one attempt at a time, first come, first served.

Invariant: the right ends with the attempt, since it is the place of the attempt in a queue of open attempts.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from swarmd.domain.errors import InvalidRequest
from swarmd.domain.landing import StartPoint
from swarmd.domain.lease_ids import parse_lease_id
from swarmd.domain.lifecycle import TaskStatus, Transition
from swarmd.domain.model import Order, TaskKey, WorkerName
from swarmd.engine.attempts import leases
from swarmd.engine.live.state import LiveState
from swarmd.engine.live.wakeups import Wakeups
from swarmd.engine.ports import Clock
from swarmd.engine.tasks.transitions import apply
from swarmd.store import attempts, events, landings
from swarmd.store.attempts import LeaseRecord
from swarmd.store.database import Database
from swarmd.store.events import EventKind
from swarmd.store.transaction import Tx

# How long a call waits for its turn. The worker then calls again, and keeps its place.
WAIT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class LandingAnswer:
    """The answer to an attempt that wants to land: it may, or `before` others are served first, or an order."""

    granted: bool = False
    before: int = 0
    tip: str = ""
    order: Order | None = None


class Landings:
    """The queue of each target."""

    def __init__(self, db: Database, live: LiveState, wakeups: Wakeups, clock: Clock) -> None:
        self._db = db
        self._live = live
        self._wakeups = wakeups
        self._clock = clock

    async def wait_turn(self, worker: WorkerName, lease_id: str) -> LandingAnswer:
        """Queues the attempt, and returns when it may land or must not go on, after WAIT_S at the latest.

        Raises:
            InvalidRequest: the attempt has no clone.
        """
        ref = parse_lease_id(lease_id)
        if ref is None:
            return LandingAnswer(order=leases.abandon_order(lease_id))
        with self._deadline() as over:
            while True:
                woken = self._wakeups.wait_next(_subject(ref.task_key, ref.number))
                try:
                    answer = await self._db.write(partial(self._ask, worker=worker, lease_id=lease_id))
                    if answer.granted or answer.order is not None or over.done():
                        return answer
                    await asyncio.wait((woken, over), return_when=asyncio.FIRST_COMPLETED)
                    if woken.cancelled():  # the server is going down
                        return answer
                finally:
                    woken.cancel()

    def _ask(self, tx: Tx, worker: WorkerName, lease_id: str) -> LandingAnswer:
        record = leases.find(tx, worker, lease_id)
        if record is None or record.outcome is not None:
            return LandingAnswer(order=leases.abandon_order(lease_id))
        lease = record.lease
        if record.target_key is None:
            raise InvalidRequest(
                "lease_id", f"is of attempt {lease.number} of {lease.task_id}, which has no clone"
            )
        if record.task.status is TaskStatus.KILLING:
            return LandingAnswer(order=leases.stop_order(tx, lease_id, record.task))
        if record.landing_place is None:
            landings.enqueue(tx, lease.attempt_key, record.target_key)
        turn = landings.turn(tx, lease.attempt_key)
        if turn.before:
            return LandingAnswer(before=turn.before, tip=turn.tip)
        if landings.grant(tx, lease.attempt_key):
            self._record_grant(tx, record, f"on {turn.target}")
        return LandingAnswer(granted=True, tip=turn.tip)

    def _record_grant(self, tx: Tx, record: LeaseRecord, where: str) -> None:
        """Records that the attempt got the right, which is the go of an attempt without a session.

        From then on nobody takes the lease back as a claim that has not started, and a kill waits for its end.
        """
        lease, task = record.lease, record.task
        if record.starts_at is not StartPoint.LANDING:
            events.append(
                tx,
                EventKind.TASK_LANDING,
                task_id=lease.task_id,
                status=task.status,
                attempt=lease.number,
                worker=lease.worker,
                cause=where,
            )
            return
        attempts.start(tx, lease)
        apply(
            tx,
            task,
            Transition.GO,
            EventKind.TASK_LANDING,
            worker=lease.worker,
            detail=where,
            started_us=tx.now_us,
        )
        tx.after_commit(partial(self._live.start_lease, lease))

    @contextlib.contextmanager
    def _deadline(self) -> Iterator[asyncio.Future[None]]:
        """Yields a future that is done after WAIT_S."""
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._clock.call_later(WAIT_S, partial(_finish, over))
        try:
            yield over
        finally:
            timer.cancel()
            over.cancel()


def wake_queue(tx: Tx, wakeups: Wakeups, record: LeaseRecord) -> None:
    """Wakes, after the commit, the call of an attempt that has ended, and that of the attempt whose turn it is now."""
    if record.landing_place is None or record.target_key is None:
        return
    tx.after_commit(wake_call(wakeups, record))
    following = landings.next_in_turn(tx, record.target_key)
    if following is not None:
        tx.after_commit(partial(wakeups.notify, _subject(following.task_key, following.number)))


def wake_call(wakeups: Wakeups, record: LeaseRecord) -> Callable[[], None]:
    """Returns a callback that wakes the call by which the attempt waits for its turn, so that it gets its order."""
    return partial(wakeups.notify, _subject(record.lease.task_key, record.lease.number))


def _subject(task_key: TaskKey, number: int) -> str:
    """Returns the subject of wakeups; no task id has a blank."""
    return f"landing {task_key} {number}"


def _finish(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
