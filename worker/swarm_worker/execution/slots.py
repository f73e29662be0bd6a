"""The worker's slots: which claims run, which wait for one, and how outcomes leave.

Its one rule: an outcome is on disk before it is sent, and its lease is held until the server has answered.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.domain.types import LeaseId, StopOrder
from swarm_worker.rpc.batcher import ItemRefused
from swarm_worker.rpc.leases import Held, Leases
from swarm_worker.rpc.reporter import Reporter
from swarm_worker.storage.batched_writes import BatchedWrites
from swarm_worker.storage.outbox import Outbox
from swarm_worker.supervision.stop_signal import Stop

if TYPE_CHECKING:
    from swarm_worker.domain.model import Assignment, Outcome
    from swarm_worker.execution.attempt import Attempt
    from swarm_worker.execution.factory import AttemptFactory

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Waiting:
    held: Held
    assignment: "Assignment"


class Slots:
    """Runs attempts, never more than there are slots."""

    def __init__(
        self,
        count: int,
        *,
        leases: Leases,
        outbox: Outbox,
        reporter: Reporter,
        attempts: "Callable[[], AttemptFactory]",
        grace_s: float,
        freed: Callable[[], None],
    ) -> None:
        self._free = count
        self._leases = leases
        self._outbox = outbox
        self._kept = BatchedWrites(outbox.write)
        self._reporter = reporter
        self._attempts = attempts
        self._grace_s = grace_s
        self._freed = freed
        self._waiting: deque[_Waiting] = deque()
        self._working: set[asyncio.Task[None]] = set()
        self._delivering: set[asyncio.Task[None]] = set()

    def resume(self) -> None:
        """Sends what a former process could not; its leases count as held until then."""
        for finished in self._outbox.load():
            held = Held(LeaseId(finished.lease_id), "of a former process", Stop(grace_s=self._grace_s))
            self._leases.add(held)
            self._own(self._delivering, self._send(held, finished))

    def take(self, claim: wire.Claim, *, accept: bool) -> None:
        """Works on a claim as soon as a slot is free, or gives it back. A known one changes nothing."""
        if claim.lease_id in self._leases:
            return
        assignment = self._attempts().assignment(claim)
        held = Held(assignment.lease_id, assignment.task.id, Stop(grace_s=self._grace_s))
        self._leases.add(held)
        self._waiting.append(_Waiting(held, assignment))
        if accept:
            self._fill()
        else:
            self.decline()

    def obey(self, orders: Iterable[wire.Order]) -> None:
        """Ends what is ordered to end; a claim without a slot needs none for that."""
        told = self._leases.obey(orders)
        for waiting in [waiting for waiting in self._waiting if waiting.held in told]:
            self._waiting.remove(waiting)
            self._own(self._working, self._conclude(waiting.held, self._not_run(waiting.held, stopped=True)))

    def decline(self) -> None:
        """Gives back the claims that wait for a slot."""
        while self._waiting:
            held = self._waiting.popleft().held
            self._own(self._working, self._conclude(held, self._not_run(held, stopped=False)))

    def stop(self, order: StopOrder) -> None:
        """Ends everything that runs."""
        self.decline()
        self._leases.stop_all(order)

    async def all_ended(self) -> None:
        """Waits until no attempt runs and every outcome is on disk."""
        while self._working:
            await asyncio.wait(self._working)

    async def all_answered(self, timeout_s: float) -> None:
        """Waits, at most that long, until the server has answered every outcome."""
        if self._delivering:
            await asyncio.wait(self._delivering, timeout=timeout_s)

    async def close(self) -> None:
        """Ends what is still under way here; sessions end with their guards' pipes."""
        tasks = self._working | self._delivering
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _fill(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            waiting = self._waiting.popleft()
            self._own(self._working, self._work(waiting.held, waiting.assignment))

    async def _work(self, held: Held, assignment: "Assignment") -> None:
        attempt: Attempt | None = None
        factory = self._attempts()
        _log.info("task begun", task=held.task_id, attempt=assignment.attempt)
        try:
            attempt = factory.attempt(assignment, held.stop)
            outcome = await attempt.run()
            finished = factory.finished(held.lease_id, outcome, attempt.ended)
        except Exception as error:  # noqa: BLE001  # a fault of ours in one attempt must not end the others
            _log.exception("fault of the worker", task=held.task_id)
            outcome = factory.fault(error)
            finished = factory.finished(held.lease_id, outcome, () if attempt is None else attempt.ended)
        _log.info("task ended", task=held.task_id, outcome=outcome.kind, **_why(outcome))
        await self._conclude(held, finished, () if attempt is None else attempt.ends)
        self._free += 1
        self._fill()

    def _not_run(self, held: Held, *, stopped: bool) -> wire.FinishedAttempt:
        return self._attempts().not_run(held.lease_id, stopped=stopped)

    async def _conclude(
        self, held: Held, finished: wire.FinishedAttempt, ends: Iterable[asyncio.Task[None]] = ()
    ) -> None:
        """Keeps the outcome and begins to deliver it."""
        try:
            await self._kept.run(finished)
        except OSError as error:  # it is still sent, and better so than never
            _log.error("can't keep an outcome on disk", task=held.task_id, error=str(error))
        except Exception:  # noqa: BLE001  # a fault of ours must lose neither the outcome nor its slot
            _log.exception("fault of the worker", task=held.task_id)
        self._own(self._delivering, self._send(held, finished, ends))

    async def _send(
        self, held: Held, finished: wire.FinishedAttempt, ends: Iterable[asyncio.Task[None]] = ()
    ) -> None:
        # The outcome goes even if an end before it could not.
        await asyncio.gather(*ends, return_exceptions=True)
        try:
            result = await self._reporter.outcomes.request(finished)
        except ItemRefused:
            self._forget(held, self._outbox.set_aside)
        else:
            _log.info("outcome answered", task=held.task_id, answer=_answer(result))
            self._forget(held, self._outbox.remove)

    def _forget(self, held: Held, clear: Callable[[str], None]) -> None:
        try:
            clear(held.lease_id)
        except OSError as error:  # a later life sends it once more, which does no harm
            _log.error("can't clear the outbox", task=held.task_id, error=str(error))
        self._leases.remove(held)
        self._freed()

    def _own(self, owner: set[asyncio.Task[None]], work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        owner.add(task)
        task.add_done_callback(owner.discard)


def _why(outcome: "Outcome") -> dict[str, str]:
    failure = outcome.failure
    return {"failure": failure.kind, "error": failure.error} if failure else {}


def _answer(result: wire.FinishResult) -> str:
    value = wire.FinishDisposition.DESCRIPTOR.values_by_number.get(result.disposition)
    return value.name.removeprefix("FINISH_DISPOSITION_").lower() if value else str(result.disposition)
