"""WorkerService: the workers' calls as the engine's verbs."""

from collections.abc import AsyncIterator, Callable, Sequence
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
from swarmd.engine.attempts.sessions import SessionEnd, SessionProgress, SessionStart
from swarmd.engine.live.mailbox import Batch, WorkerNotice
from swarmd.engine.swarm import Swarm
from swarmd.engine.workers.registry import BeatAnswer
from swarmd.rpc import claims
from swarmd.store.sessions import LogEntry
from swarmd.store.transaction import Tx
from swarmd.wire import enums, outcomes, values

Context = grpc.aio.ServicerContext[Any, Any]
MAX_ITEMS: Final = 1_024
MAX_ENTRY: Final = 16_384


class WorkerService(pb_grpc.WorkerServiceServicer):
    """Converts, calls, converts."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm

    async def ClaimTask(
        self, request: pb.ClaimTaskRequest, context: Context
    ) -> AsyncIterator[pb.ClaimTaskResponse]:
        member = await self._swarm.join(_identity(request), request.lease_ids)
        try:
            yield pb.ClaimTaskResponse(opened=self._opened())
            while (parcel := await member.mailbox.take()) is not None:
                yield self._parcel(parcel)
        finally:
            await self._swarm.part(member)

    async def Heartbeat(self, request: pb.HeartbeatRequest, context: Context) -> pb.HeartbeatResponse:
        name = WorkerName(request.worker)
        leaving = request.phase in (pb.WORKER_PHASE_DRAINING, pb.WORKER_PHASE_LEAVING)
        answer = self._swarm.fleet.beat(name, request.incarnation, request.lease_ids, leaving=leaving)
        if request.phase == pb.WORKER_PHASE_LEAVING:
            leave = partial(self._swarm.fleet.leave, name=name, incarnation=request.incarnation)
            await self._swarm.db.write(leave)
        return _beat(answer)

    async def RecordSession(
        self, request: pb.RecordSessionRequest, context: Context
    ) -> pb.RecordSessionResponse:
        name = WorkerName(request.worker)
        steps = [self._record(name, record) for record in _few(request.records, "records")]
        orders = await self._swarm.db.write(lambda tx: [step(tx) for step in steps])
        return pb.RecordSessionResponse(answers=[_answer(order) for order in orders])

    async def ReportProgress(
        self, request: pb.ReportProgressRequest, context: Context
    ) -> pb.ReportProgressResponse:
        name = WorkerName(request.worker)
        news = [_progress(message) for message in _few(request.sessions, "sessions")]
        report = self._swarm.sessions.report
        await self._swarm.db.write(lambda tx: [report(tx, name, progress) for progress in news])
        return pb.ReportProgressResponse()

    async def FinishTask(self, request: pb.FinishTaskRequest, context: Context) -> pb.FinishTaskResponse:
        name = WorkerName(request.worker)
        news = [_progress(message) for message in _few(request.sessions, "sessions")]
        finished = [self._finished(name, item) for item in _few(request.finished, "finished")]

        def write(tx: Tx) -> list[FinishResult]:
            for progress in news:
                self._swarm.sessions.report(tx, name, progress)
            return [finish(tx) for finish in finished]

        results = await self._swarm.db.write(write)
        return pb.FinishTaskResponse(results=[_result(result) for result in results])

    def _finished(self, name: WorkerName, item: pb.FinishedAttempt) -> Callable[[Tx], FinishResult]:
        outcome, finish = outcomes.read(item.outcome), self._swarm.outcomes.finish
        if not all(record.HasField("end") for record in _few(item.ends, "finished.ends")):
            raise InvalidRequest("finished.ends.end", "is missing: a start asks for its go by RecordSession")
        ends = [self._record(name, record) for record in item.ends]

        def write(tx: Tx) -> FinishResult:
            for end in ends:
                end(tx)
            return finish(tx, name, item.lease_id, outcome)

        return write

    def _parcel(self, parcel: Batch) -> pb.ClaimTaskResponse:
        return pb.ClaimTaskResponse(
            claims=[claims.write(claim, traceparent=self._traceparent(claim)) for _, claim in parcel.claims],
            orders=[_order(order) for order in parcel.orders],
            notice=None if parcel.notice is None else _notice(parcel.notice),
        )

    def _traceparent(self, claim: Claim) -> str:
        if not self._swarm.traced:
            return ""
        task_id = claim.definition.task_id
        return trace_of(self._swarm.swarm_id, epoch=claim.epoch, task_id=task_id, attempt=claim.number).parent

    def _opened(self) -> pb.Opened:
        return pb.Opened(
            heartbeat_interval=values.duration(self._swarm.fleet.heartbeat_s()),
            stop_after=values.duration(self._swarm.policy.pace.stop_after_s),
            server_version=__version__,
            swarm_id=self._swarm.swarm_id,
        )

    def _record(self, name: WorkerName, record: pb.SessionRecord) -> Callable[[Tx], Order | None]:
        session_id = record.session_id
        if not 1 <= len(session_id) <= 128:
            raise InvalidRequest("records.session_id", "must have from 1 to 128 characters")
        if record.HasField("end"):
            exit_code = record.end.exit_code if record.end.HasField("exit_code") else None
            end = SessionEnd(record.lease_id, session_id, exit_code, values.read_usage(record.end.usage))
            return partial(self._swarm.sessions.end, worker=name, end=end)
        role = enums.SESSION_ROLE.from_wire(record.role, "records.role")
        start = SessionStart(record.lease_id, session_id, role, record.runner[:64])
        return partial(self._swarm.sessions.start, worker=name, start=start)


def _few(items: Sequence[Any], field: str) -> Sequence[Any]:
    if len(items) > MAX_ITEMS:
        raise InvalidRequest(field, f"has {len(items)} items; at most {MAX_ITEMS} a call")
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


def _beat(answer: BeatAnswer) -> pb.HeartbeatResponse:
    calm = _calm_beat(answer.heartbeat_s, answer.notice)
    if not answer.orders:
        return calm
    return pb.HeartbeatResponse(
        orders=[_order(order) for order in answer.orders],
        heartbeat_interval=calm.heartbeat_interval,
        notice=calm.notice,
    )


@lru_cache(maxsize=16)
def _calm_beat(heartbeat_s: float, notice: WorkerNotice) -> pb.HeartbeatResponse:
    """What nearly every heartbeat is answered: one message, sent again and again, changed by nobody."""
    return pb.HeartbeatResponse(heartbeat_interval=values.duration(heartbeat_s), notice=_notice(notice))


def _answer(order: Order | None) -> pb.SessionAnswer:
    return pb.SessionAnswer(go=order is None, order=None if order is None else _order(order))


def _progress(message: pb.SessionProgress) -> SessionProgress:
    mask = LineMask()
    entries = [
        LogEntry(
            entry.number,
            values.timestamp_us(entry.logged_at, "sessions.entries.logged_at"),
            session_pb2.LogKind.Name(entry.kind)
            if entry.kind in session_pb2.LogKind.values()
            else "LOG_KIND_OUTPUT",
            # What is cut off is looked at too: no half of a secret stays.
            mask.text(strip_terminal_drawing(entry.text[: 2 * MAX_ENTRY]))[:MAX_ENTRY],
        )
        for entry in message.entries
    ]
    if any(entry.number < 1 for entry in entries):
        raise InvalidRequest("sessions.entries.number", "counts from 1")
    usage = values.read_usage(message.usage) if message.HasField("usage") else None
    return SessionProgress(message.lease_id, message.session_id, entries, usage)


def _result(result: FinishResult) -> pb.FinishResult:
    return pb.FinishResult(
        disposition=enums.DISPOSITION.to_wire(result.disposition),
        task_status=enums.TASK_STATUS.to_wire(result.status),
    )
