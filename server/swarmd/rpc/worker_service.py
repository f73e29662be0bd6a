"""WorkerService: adapters from its messages to the engine and back."""

from collections.abc import AsyncIterator, Sequence
from functools import lru_cache, partial
from typing import Any, Final

import grpc

from amplifier_swarm import __version__
from amplifier_swarm.masking import LineMask
from amplifier_swarm.text import strip_terminal_drawing
from amplifier_swarm.v1 import session_pb2
from amplifier_swarm.v1 import worker_service_pb2 as pb
from amplifier_swarm.v1 import worker_service_pb2_grpc as pb_grpc
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import Claim, Order, WorkerIdentity, WorkerName
from swarmd.domain.plan import ID_PATTERN
from swarmd.domain.traces import trace_of
from swarmd.engine.attempts.outcomes import FinishResult
from swarmd.engine.attempts.sessions import (
    AttemptReport,
    FinishBatch,
    SessionEnd,
    SessionProgress,
    SessionStart,
)
from swarmd.engine.live.mailbox import Batch, WorkerNotice
from swarmd.engine.swarm import Swarm
from swarmd.engine.workers.registry import HeartbeatAnswer
from swarmd.rpc import claims
from swarmd.store.sessions import LogEntry
from swarmd.wire import enums, outcomes, values

Context = grpc.aio.ServicerContext[Any, Any]
MAX_ITEMS: Final = 1_024
MAX_ENTRY: Final = 16_384


class WorkerService(pb_grpc.WorkerServiceServicer):
    """The servicer: each method converts the request, calls the engine, converts the result."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm

    async def ClaimTask(
        self, request: pb.ClaimTaskRequest, context: Context
    ) -> AsyncIterator[pb.ClaimTaskResponse]:
        member = await self._swarm.open_stream(_identity(request), request.lease_ids)
        try:
            yield pb.ClaimTaskResponse(opened=self._opened())
            while (batch := await member.mailbox.next_batch()) is not None:
                yield self._claim_response(batch)
        finally:
            await self._swarm.close_stream(member)

    async def Heartbeat(self, request: pb.HeartbeatRequest, context: Context) -> pb.HeartbeatResponse:
        name = WorkerName(request.worker)
        leaving = request.phase in (pb.WORKER_PHASE_DRAINING, pb.WORKER_PHASE_LEAVING)
        answer = self._swarm.workers.heartbeat(name, request.incarnation, request.lease_ids, leaving=leaving)
        if request.phase == pb.WORKER_PHASE_LEAVING:
            leave = partial(self._swarm.workers.leave, name=name, incarnation=request.incarnation)
            await self._swarm.db.write(leave)
        return _heartbeat_response(answer)

    async def RecordSession(
        self, request: pb.RecordSessionRequest, context: Context
    ) -> pb.RecordSessionResponse:
        name = WorkerName(request.worker)
        records = [_session_record(record) for record in _bounded(request.records, "records")]
        orders = await self._swarm.db.write(lambda tx: self._swarm.sessions.record_many(tx, name, records))
        return pb.RecordSessionResponse(answers=[_session_answer(order) for order in orders])

    async def ReportProgress(
        self, request: pb.ReportProgressRequest, context: Context
    ) -> pb.ReportProgressResponse:
        name = WorkerName(request.worker)
        reports = [_read_progress(message) for message in _bounded(request.sessions, "sessions")]
        report = self._swarm.sessions.record_progress
        await self._swarm.db.write(lambda tx: [report(tx, name, progress) for progress in reports])
        return pb.ReportProgressResponse()

    async def FinishTask(self, request: pb.FinishTaskRequest, context: Context) -> pb.FinishTaskResponse:
        name = WorkerName(request.worker)
        batch = FinishBatch(
            progress=[_read_progress(message) for message in _bounded(request.sessions, "sessions")],
            attempts=[_attempt_report(item) for item in _bounded(request.finished, "finished")],
        )
        results = await self._swarm.db.write(lambda tx: self._swarm.finish_many(tx, name, batch))
        return pb.FinishTaskResponse(results=[_finish_result(result) for result in results])

    def _claim_response(self, batch: Batch) -> pb.ClaimTaskResponse:
        return pb.ClaimTaskResponse(
            claims=[claims.write(claim, traceparent=self._traceparent(claim)) for _, claim in batch.claims],
            orders=[_order(order) for order in batch.orders],
            notice=None if batch.notice is None else _notice(batch.notice),
        )

    def _traceparent(self, claim: Claim) -> str:
        if not self._swarm.traced:
            return ""
        task_id = claim.definition.task_id
        return trace_of(self._swarm.swarm_id, epoch=claim.epoch, task_id=task_id, attempt=claim.number).parent

    def _opened(self) -> pb.Opened:
        return pb.Opened(
            heartbeat_interval=values.duration(self._swarm.workers.heartbeat_s()),
            stop_after=values.duration(self._swarm.policy.pace.stop_after_s),
            server_version=__version__,
            swarm_id=self._swarm.swarm_id,
        )


def _attempt_report(item: pb.FinishedAttempt) -> AttemptReport:
    outcome = outcomes.read(item.outcome)
    if not all(record.HasField("end") for record in _bounded(item.ends, "finished.ends")):
        raise InvalidRequest("finished.ends.end", "is missing: a start asks for its go by RecordSession")
    return AttemptReport(item.lease_id, [_session_end(record) for record in item.ends], outcome)


def _session_record(record: pb.SessionRecord) -> SessionStart | SessionEnd:
    if record.HasField("end"):
        return _session_end(record)
    session_id = _session_id(record)
    role = enums.SESSION_ROLE.from_wire(record.role, "records.role")
    return SessionStart(record.lease_id, session_id, role, record.runner[:64])


def _session_end(record: pb.SessionRecord) -> SessionEnd:
    exit_code = record.end.exit_code if record.end.HasField("exit_code") else None
    return SessionEnd(record.lease_id, _session_id(record), exit_code, values.read_usage(record.end.usage))


def _session_id(record: pb.SessionRecord) -> str:
    if not 1 <= len(record.session_id) <= 128:
        raise InvalidRequest("records.session_id", "must have from 1 to 128 characters")
    return record.session_id


def _bounded(items: Sequence[Any], field: str) -> Sequence[Any]:
    if len(items) > MAX_ITEMS:
        raise InvalidRequest(field, f"has {len(items)} items; send at most {MAX_ITEMS} in a call")
    return items


def _identity(request: pb.ClaimTaskRequest) -> WorkerIdentity:
    if not ID_PATTERN.fullmatch(request.worker):
        raise InvalidRequest(
            "worker", "may contain only letters, digits, . _ - (max 128), starting with a letter or digit"
        )
    if not 1 <= request.slots <= 1024:
        raise InvalidRequest("slots", "must be from 1 to 1024")
    if not 1 <= len(request.incarnation) <= 64 or not 1 <= len(request.instance) <= 64:
        raise InvalidRequest("incarnation", "incarnation and instance must have from 1 to 64 characters")
    if request.opening < 0:
        raise InvalidRequest("opening", "must not be negative")
    return WorkerIdentity(
        name=WorkerName(request.worker),
        incarnation=request.incarnation,
        instance=request.instance,
        slots=request.slots,
        labels=dict(request.labels),
        runner=request.runner[:64],
        host=request.host[:256],
        pid=request.pid,
        version=request.version[:64],
        containment=request.containment[:64],
        opening=request.opening,
    )


def _order(order: Order) -> pb.Order:
    action = enums.ORDER_ACTION.to_wire(order.action)
    return pb.Order(lease_id=order.lease_id, action=action, cause=order.cause)


def _notice(notice: WorkerNotice) -> pb.SwarmNotice:
    return pb.SwarmNotice(done=notice.done, drain=notice.drain)


def _heartbeat_response(answer: HeartbeatAnswer) -> pb.HeartbeatResponse:
    idle = _idle_response(answer.heartbeat_s, answer.notice)
    if not answer.orders:
        return idle
    return pb.HeartbeatResponse(
        orders=[_order(order) for order in answer.orders],
        heartbeat_interval=idle.heartbeat_interval,
        notice=idle.notice,
    )


@lru_cache(maxsize=16)
def _idle_response(heartbeat_s: float, notice: WorkerNotice) -> pb.HeartbeatResponse:
    """Returns the response to a heartbeat without orders.

    Performance: nearly all heartbeats share one cached message, which nobody changes (docs/performance.md).
    """
    return pb.HeartbeatResponse(heartbeat_interval=values.duration(heartbeat_s), notice=_notice(notice))


def _session_answer(order: Order | None) -> pb.SessionAnswer:
    return pb.SessionAnswer(go=order is None, order=None if order is None else _order(order))


def _read_progress(message: pb.SessionProgress) -> SessionProgress:
    mask = LineMask()
    entries = [
        LogEntry(
            entry.number,
            values.timestamp_us(entry.logged_at, "sessions.entries.logged_at"),
            session_pb2.LogKind.Name(entry.kind)
            if entry.kind in session_pb2.LogKind.values()
            else "LOG_KIND_OUTPUT",
            # Masked before it is cut, so that no half of a secret remains.
            mask.text(strip_terminal_drawing(entry.text[: 2 * MAX_ENTRY]))[:MAX_ENTRY],
        )
        for entry in message.entries
    ]
    if any(entry.number < 1 for entry in entries):
        raise InvalidRequest("sessions.entries.number", "must be 1 or more")
    usage = values.read_usage(message.usage) if message.HasField("usage") else None
    return SessionProgress(message.lease_id, message.session_id, entries, usage)


def _finish_result(result: FinishResult) -> pb.FinishResult:
    return pb.FinishResult(
        disposition=enums.DISPOSITION.to_wire(result.disposition),
        task_status=enums.TASK_STATUS.to_wire(result.status),
    )
