"""The worker's slots: they queue claims, run attempts and deliver outcomes.

Invariant: an outcome is on disk before it is sent, and its lease is held until the server has answered.
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
class _QueuedClaim:
    held: Held
    assignment: "Assignment"


class Slots:
    """A pool that runs at most `count` attempts at a time and queues further claims."""

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
        self._outbox_writes = BatchedWrites(outbox.write)
        self._reporter = reporter
        self._attempts = attempts
        self._grace_s = grace_s
        self._freed = freed
        self._queued: deque[_QueuedClaim] = deque()
        self._working: set[asyncio.Task[None]] = set()
        self._delivering: set[asyncio.Task[None]] = set()

    def resume(self) -> None:
        """Sends the outcomes that a former process could not deliver; their leases are held until then."""
        for finished in self._outbox.load():
            held = Held(LeaseId(finished.lease_id), "of a former process", Stop(grace_s=self._grace_s))
            self._leases.add(held)
            self._spawn(self._delivering, self._send(held, finished))

    def enqueue(self, claim: wire.Claim, *, accept: bool) -> None:
        """Runs a claim as soon as a slot is free, or declines it if `accept` is false.

        A claim whose lease is held already has no effect.
        """
        if claim.lease_id in self._leases:
            return
        assignment = self._attempts().assignment(claim)
        held = Held(assignment.lease_id, assignment.task.id, Stop(grace_s=self._grace_s))
        self._leases.add(held)
        self._queued.append(_QueuedClaim(held, assignment))
        if accept:
            self._fill()
        else:
            self.decline()

    def obey(self, orders: Iterable[wire.Order]) -> None:
        """Passes orders to running attempts; queued claims are stopped without a slot."""
        ordered = self._leases.obey(orders)
        for queued in [queued for queued in self._queued if queued.held in ordered]:
            self._queued.remove(queued)
            self._spawn(self._working, self._conclude(queued.held, self._not_run(queued.held, stopped=True)))

    def decline(self) -> None:
        """Declines the queued claims."""
        while self._queued:
            held = self._queued.popleft().held
            self._spawn(self._working, self._conclude(held, self._not_run(held, stopped=False)))

    def stop(self, order: StopOrder) -> None:
        """Declines the queued claims and orders the running attempts to stop."""
        self.decline()
        self._leases.stop_all(order)

    def note_signal(self) -> None:
        """Notes that the worker got a signal to end; a session that the same signal ends has not failed."""
        self._leases.note_signal()

    async def all_ended(self) -> None:
        """Waits until no attempt runs and every outcome is on disk."""
        while self._working:
            await asyncio.wait(self._working)

    async def all_answered(self, timeout_s: float) -> None:
        """Waits up to `timeout_s` seconds until the server has answered every outcome."""
        if self._delivering:
            await asyncio.wait(self._delivering, timeout=timeout_s)

    async def close(self) -> None:
        """Cancels all attempts and deliveries; the guards end their sessions when their pipes close."""
        tasks = self._working | self._delivering
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _fill(self) -> None:
        while self._free and self._queued:
            self._free -= 1
            queued = self._queued.popleft()
            self._spawn(self._working, self._work(queued.held, queued.assignment))

    async def _work(self, held: Held, assignment: "Assignment") -> None:
        attempt: Attempt | None = None
        outcome: Outcome | None = None
        factory = self._attempts()
        _log.info("attempt started", task=held.task_id, attempt=assignment.attempt)
        try:
            attempt = factory.attempt(assignment, held.stop)
            outcome = factory.with_reason(await attempt.run(), held.stop)
            finished = factory.finished(held.lease_id, outcome, attempt.unreported_ends)
        except Exception as error:  # noqa: BLE001  # a defect in one attempt must not end the others
            _log.exception("fault of the worker in an attempt", task=held.task_id)
            outcome = factory.fault(error, outcome)
            ends = () if attempt is None else attempt.unreported_ends
            finished = factory.finished(held.lease_id, outcome, ends)
        _log.info("attempt ended", task=held.task_id, outcome=outcome.kind, **_failure_fields(outcome))
        await self._conclude(held, finished, () if attempt is None else attempt.end_reports)
        self._free += 1
        self._fill()

    def _not_run(self, held: Held, *, stopped: bool) -> wire.FinishedAttempt:
        return self._attempts().not_run(held.lease_id, stopped=stopped)

    async def _conclude(
        self, held: Held, finished: wire.FinishedAttempt, end_reports: Iterable[asyncio.Task[None]] = ()
    ) -> None:
        """Stores the outcome and starts its delivery."""
        try:
            await self._outbox_writes.run(finished)
        except OSError as error:  # an outcome that is sent but not stored is better than none
            _log.error("can't keep an outcome on disk", task=held.task_id, error=str(error))
        except Exception:  # noqa: BLE001  # a defect must lose neither the outcome nor its slot
            _log.exception("fault of the worker in the outbox", task=held.task_id)
        self._spawn(self._delivering, self._send(held, finished, end_reports))

    async def _send(
        self, held: Held, finished: wire.FinishedAttempt, end_reports: Iterable[asyncio.Task[None]] = ()
    ) -> None:
        # The outcome is sent even if the report of a session's end failed.
        await asyncio.gather(*end_reports, return_exceptions=True)
        try:
            result = await self._reporter.outcomes.request(finished)
        except ItemRefused:
            self._forget(held, self._outbox.set_aside)
        else:
            _log.info("outcome delivered", task=held.task_id, answer=_disposition_name(result))
            self._forget(held, self._outbox.remove)

    def _forget(self, held: Held, clear: Callable[[str], None]) -> None:
        try:
            clear(held.lease_id)
        except OSError as error:  # the next process sends it again, which is harmless
            _log.error("can't clear the outbox", task=held.task_id, error=str(error))
        self._leases.remove(held)
        self._freed()

    def _spawn(self, group: set[asyncio.Task[None]], work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        group.add(task)
        task.add_done_callback(group.discard)


def _failure_fields(outcome: "Outcome") -> dict[str, str]:
    failure = outcome.failure
    return {"failure": failure.kind, "error": failure.error} if failure else {}


def _disposition_name(result: wire.FinishResult) -> str:
    value = wire.FinishDisposition.DESCRIPTOR.values_by_number.get(result.disposition)
    return value.name.removeprefix("FINISH_DISPOSITION_").lower() if value else str(result.disposition)
