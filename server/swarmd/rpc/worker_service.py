"""WorkerService: adapters from its messages to the engine and back."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final

import grpc

from amplifier_swarm import __version__
from amplifier_swarm.v1 import worker_service_pb2 as pb
from amplifier_swarm.v1 import worker_service_pb2_grpc as pb_grpc
from swarmd.domain.claim import Claim
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import ID_PATTERN, Order, WorkerIdentity, WorkerName
from swarmd.domain.token_terms import MAX_LABEL
from swarmd.domain.traces import trace_of
from swarmd.domain.workspaces import WorkspaceKind
from swarmd.engine.attempts.outcomes import FinishResult
from swarmd.engine.attempts.sessions import FinishBatch, SessionProgress
from swarmd.engine.auth.joining import JoinRequest, bound_identity, is_use_due
from swarmd.engine.live.mailbox import Batch, WorkerNotice
from swarmd.engine.swarm import Swarm
from swarmd.engine.workers.registry import HeartbeatAnswer
from swarmd.rpc import claims, reports
from swarmd.rpc.auth import CALLER
from swarmd.wire import artifacts, changes, enforcement, enums, values

Context = grpc.aio.ServicerContext[Any, Any]
# A worker lists its open leases, at most 1,024, and those of outcomes that it could not deliver yet.
MAX_LEASES: Final = 4_096
MAX_LABELS: Final = 1_024
MAX_REPOSITORY: Final = 4_096
MAX_STARTS: Final = 64
# An answer repeats the ids that it does not know; those of this server have at most 74 characters.
MAX_LEASE_CHARS: Final = 512 * 1024


class WorkerService(pb_grpc.WorkerServiceServicer):
    """The servicer: each method converts the request, calls the engine, converts the result."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm

    async def JoinSwarm(self, request: pb.JoinSwarmRequest, context: Context) -> pb.JoinSwarmResponse:
        caller = CALLER.get()
        assert caller is not None
        wanted = _join_request(request)
        exchange = partial(self._swarm.joining.exchange, join_token_id=caller.token_id, request=wanted)
        return pb.JoinSwarmResponse(labels=(await self._swarm.db.write(exchange)).labels)

    async def ClaimTask(
        self, request: pb.ClaimTaskRequest, context: Context
    ) -> AsyncIterator[pb.ClaimTaskResponse]:
        caller, identity = CALLER.get(), _identity(request)
        if caller is not None:
            identity = bound_identity(identity, caller)
            if is_use_due(caller, self._swarm.clock.wall_us()):
                await self._swarm.db.write(partial(self._swarm.joining.note_use, token_id=caller.token_id))
        worker = await self._swarm.open_stream(identity, _lease_ids(request.lease_ids))
        try:
            yield pb.ClaimTaskResponse(opened=self._opened())
            while (batch := await worker.mailbox.next_batch()) is not None:
                yield self._claim_response(batch)
        finally:
            await self._swarm.close_stream(worker)

    async def Heartbeat(self, request: pb.HeartbeatRequest, context: Context) -> pb.HeartbeatResponse:
        name = WorkerName(request.worker)
        leaving = request.phase in (pb.WORKER_PHASE_DRAINING, pb.WORKER_PHASE_LEAVING)
        lease_ids = _lease_ids(request.lease_ids)
        running = reports.read_running(request.running)
        answer = self._swarm.workers.heartbeat(
            name, request.incarnation, lease_ids, leaving=leaving, running=running
        )
        if request.phase == pb.WORKER_PHASE_LEAVING:
            leave = partial(
                self._swarm.workers.leave, name=name, incarnation=request.incarnation, held=lease_ids
            )
            await self._swarm.db.write(leave)
        return _heartbeat_response(answer)

    async def RecordSession(
        self, request: pb.RecordSessionRequest, context: Context
    ) -> pb.RecordSessionResponse:
        name = WorkerName(request.worker)
        records = [reports.read_record(record) for record in reports.bounded(request.records, "records")]
        orders = await self._swarm.db.write(lambda tx: self._swarm.sessions.record_many(tx, name, records))
        return pb.RecordSessionResponse(answers=[_session_answer(order) for order in orders])

    async def ReportProgress(
        self, request: pb.ReportProgressRequest, context: Context
    ) -> pb.ReportProgressResponse:
        name = WorkerName(request.worker)
        reports.check_progress(request.sessions)
        known = await self._swarm.known_leases(name, {message.lease_id for message in request.sessions})
        news = await self._read_progress(request.sessions, known)
        record = self._swarm.sessions.record_progress
        await self._swarm.db.write(lambda tx: [record(tx, name, progress) for progress in news])
        return pb.ReportProgressResponse()

    async def FinishTask(self, request: pb.FinishTaskRequest, context: Context) -> pb.FinishTaskResponse:
        name = WorkerName(request.worker)
        reports.check_progress(request.sessions)
        reports.check_attempts(request.finished)
        leases = {item.lease_id for item in request.finished}
        leases.update(message.lease_id for message in request.sessions)
        known = await self._swarm.known_leases(name, leases)
        batch = FinishBatch(
            progress=await self._read_progress(request.sessions, known),
            attempts=await reports.read_attempts(request.finished, known),
        )
        results = await self._swarm.db.write(lambda tx: self._swarm.finish_many(tx, name, batch))
        return pb.FinishTaskResponse(results=[_finish_result(result) for result in results])

    async def LandTask(self, request: pb.LandTaskRequest, context: Context) -> pb.LandTaskResponse:
        answer = await self._swarm.landings.wait_turn(WorkerName(request.worker), request.lease_id)
        return pb.LandTaskResponse(
            granted=answer.granted,
            position=answer.before,
            tip=answer.tip,
            order=None if answer.order is None else _order(answer.order),
        )

    async def PutArtifact(
        self, request_iterator: AsyncIterator[pb.PutArtifactRequest], context: Context
    ) -> pb.PutArtifactResponse:
        first = await anext(request_iterator, None)
        if first is None or not first.HasField("upload"):
            raise InvalidRequest("upload", "is missing; send it in the first message")
        upload = artifacts.read_upload(first.upload)
        answer = await self._swarm.artifacts.store(upload, reports.chunks(first, request_iterator))
        return pb.PutArtifactResponse(
            sha256=answer.sha256, order=None if answer.order is None else _order(answer.order)
        )

    async def _read_progress(
        self, messages: Sequence[pb.SessionProgress], known: Collection[str]
    ) -> list[SessionProgress]:
        return await reports.read_progress(messages, known, now_us=self._swarm.clock.wall_us())

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


def _lease_ids(lease_ids: Sequence[str]) -> Sequence[str]:
    reports.bounded(lease_ids, "lease_ids", most=MAX_LEASES)
    if sum(map(len, lease_ids)) > MAX_LEASE_CHARS:
        raise InvalidRequest("lease_ids", f"have more than {MAX_LEASE_CHARS} characters")
    return lease_ids


def _join_request(request: pb.JoinSwarmRequest) -> JoinRequest:
    _check_name(request.worker)
    if not 1 <= len(request.instance) <= 64:
        raise InvalidRequest("instance", "must have from 1 to 64 characters")
    return JoinRequest(
        request.worker, request.instance, request.credential_id, request.secret_hash, _labels(request.labels)
    )


def _check_name(worker: str) -> None:
    if not ID_PATTERN.fullmatch(worker):
        raise InvalidRequest(
            "worker", "may contain only letters, digits, . _ - (max 128), starting with a letter or digit"
        )


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    reports.bounded(list(labels), "labels", most=MAX_LABELS)
    if any(len(key) > MAX_LABEL or len(value) > MAX_LABEL for key, value in labels.items()):
        raise InvalidRequest("labels", f"keys and values may have up to {MAX_LABEL} characters")
    return dict(labels)


def _identity(request: pb.ClaimTaskRequest) -> WorkerIdentity:
    _check_name(request.worker)
    if not 1 <= request.slots <= 1024:
        raise InvalidRequest("slots", "must be from 1 to 1024")
    if not 1 <= len(request.incarnation) <= 64 or not 1 <= len(request.instance) <= 64:
        raise InvalidRequest("incarnation", "incarnation and instance must have from 1 to 64 characters")
    if "@" in request.runner:
        raise InvalidRequest("runner", "must not contain @")
    labels = _labels(request.labels)
    if len(request.repository) > MAX_REPOSITORY or not request.repository.isprintable():
        raise InvalidRequest("repository", f"must have up to {MAX_REPOSITORY:,} printable characters")
    if request.repository:
        changes.check_branch(request.target, "target")
    workspace = enums.WORKSPACE.optional(request.workspace, "workspace") or WorkspaceKind.SHARED
    if request.opening < 0:
        raise InvalidRequest("opening", "must not be negative")
    return WorkerIdentity(
        name=WorkerName(request.worker),
        incarnation=request.incarnation,
        instance=request.instance,
        slots=request.slots,
        labels=labels,
        runner=request.runner[:64],
        host=request.host[:256],
        pid=request.pid,
        version=request.version[:64],
        containment=request.containment[:64],
        opening=request.opening,
        allows_rehearsal=request.allow_rehearsal,
        repository=request.repository,
        target=request.target if request.repository else "",
        workspace=workspace,
        starts=frozenset(enums.START_POINT.known(reports.bounded(request.starts, "starts", most=MAX_STARTS))),
        enforcement=enforcement.read_enforcement(request.enforcement),
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


def _finish_result(result: FinishResult) -> pb.FinishResult:
    return pb.FinishResult(
        disposition=enums.DISPOSITION.to_wire(result.disposition),
        task_status=enums.TASK_STATUS.to_wire(result.status),
    )
