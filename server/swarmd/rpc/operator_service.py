"""OperatorService: adapters from its messages to the engine and back."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

import grpc

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import operator_service_pb2_grpc as pb_grpc
from amplifier_swarm.v1 import task_pb2
from swarmd.domain.caller_errors import RoleDenied
from swarmd.domain.definition import PlannedTask
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import Role
from swarmd.domain.shared_budget import PlannedBudget
from swarmd.domain.token_terms import TokenTerms, join_terms, ordinary_terms
from swarmd.engine.auth.logins import CODE_S, SHARED_CODE_S
from swarmd.engine.swarm import Swarm
from swarmd.rpc import replication, streams, task_pages
from swarmd.rpc.auth import CALLER, bearer_token
from swarmd.rpc.limits import MAX_PLAN_BYTES, OneAtATime
from swarmd.rpc.streams import EventPages
from swarmd.store.reads.pages import TaskFilter
from swarmd.wire import budgets, definitions, enums, plans, values, views
from swarmd.wire.actions import Actions
from swarmd.wire.reads import Reads

Context = grpc.aio.ServicerContext[Any, Any]
MAX_PAGE: Final = 1_000


class OperatorService(pb_grpc.OperatorServiceServicer):
    """The servicer: each method converts the request, calls the engine, converts the result."""

    def __init__(self, swarm: Swarm, service_reads: Reads) -> None:
        self._swarm = swarm
        self._reads = service_reads
        self._pages = EventPages(swarm)
        self._backups = OneAtATime("Backup")
        self._actions = Actions(swarm, service_reads)

    async def AddTasks(
        self, request_iterator: AsyncIterator[pb.AddTasksRequest], context: Context
    ) -> pb.AddTasksResponse:
        plan: list[PlannedTask] = []
        clear, dry_run, size = False, False, 0
        concurrency: dict[str, int] = {}
        budget: PlannedBudget | None = None
        # Converted message by message, so that a long plan does not block the event loop.
        async for message in request_iterator:
            size += message.ByteSize()
            if size > MAX_PLAN_BYTES:
                raise InvalidRequest(
                    "tasks", f"are more than {MAX_PLAN_BYTES:,} bytes; add them in several calls"
                )
            plan += map(definitions.read_planned, message.tasks)
            clear, dry_run = clear or message.clear, dry_run or message.dry_run
            concurrency.update(message.concurrency)
            if message.HasField("budget"):
                budget = budgets.read_planned(message.budget)
        return await plans.add(
            self._swarm, plan, clear=clear, dry_run=dry_run, concurrency=concurrency, budget=budget
        )

    async def ExportTasks(
        self, request: pb.ExportTasksRequest, context: Context
    ) -> AsyncIterator[pb.ExportTasksResponse]:
        wanted = {enums.TASK_STATUS.from_wire(status, "statuses") for status in request.statuses}
        async for response in streams.export(self._swarm, wanted):
            yield response

    async def GetTask(self, request: pb.GetTaskRequest, context: Context) -> pb.GetTaskResponse:
        return await self._reads.task(request.task_id)

    async def DiffTask(self, request: pb.DiffTaskRequest, context: Context) -> pb.DiffTaskResponse:
        return await self._reads.diff(request.task_id, attempt=request.attempt)

    async def ListArtifacts(
        self, request: pb.ListArtifactsRequest, context: Context
    ) -> pb.ListArtifactsResponse:
        _check_not_negative(request, "attempt")
        return await self._reads.artifacts(request.task_id, attempt=request.attempt)

    async def GetArtifact(
        self, request: pb.GetArtifactRequest, context: Context
    ) -> AsyncIterator[pb.GetArtifactResponse]:
        _check_not_negative(request, "attempt")
        async for response in streams.artifact(self._swarm, request):
            yield response

    async def ListTasks(self, request: pb.ListTasksRequest, context: Context) -> pb.ListTasksResponse:
        wanted = TaskFilter(
            [enums.TASK_STATUS.from_wire(status, "statuses") for status in request.statuses],
            request.phase,
            request.search,
        )
        _check_not_negative(request, "page_size")
        after = task_pages.read_token(request.page_token, wanted)
        limit = min(request.page_size or task_pages.DEFAULT_PAGE, MAX_PAGE)
        return await self._swarm.db.read(lambda tx: task_pages.read(tx, wanted, after=after, limit=limit))

    async def ExplainTask(self, request: pb.ExplainTaskRequest, context: Context) -> pb.ExplainTaskResponse:
        return await self._reads.explain(request.task_id)

    async def RetryTask(self, request: pb.RetryTaskRequest, context: Context) -> pb.RetryTaskResponse:
        return await self._actions.retry(request, actor=_caller_name())

    async def LandWork(self, request: pb.LandWorkRequest, context: Context) -> pb.LandWorkResponse:
        return await self._actions.land(request.task_ids)

    async def KillTask(self, request: pb.KillTaskRequest, context: Context) -> pb.KillTaskResponse:
        return await self._actions.kill(request.task_ids, request.cause)

    async def AcceptResult(
        self, request: pb.AcceptResultRequest, context: Context
    ) -> pb.AcceptResultResponse:
        return pb.AcceptResultResponse(task=await self._actions.accept(request.task_id, request.attempt))

    async def HoldTask(self, request: pb.HoldTaskRequest, context: Context) -> pb.HoldTaskResponse:
        return await self._actions.hold(request.task_ids, request.cause, actor=_caller_name())

    async def UnholdTask(self, request: pb.UnholdTaskRequest, context: Context) -> pb.UnholdTaskResponse:
        return await self._actions.unhold(request.task_ids, actor=_caller_name())

    async def AnswerTask(self, request: pb.AnswerTaskRequest, context: Context) -> pb.AnswerTaskResponse:
        _check_not_negative(request, "option")
        task = await self._actions.answer(
            request.task_id, request.hold_id, text=request.text, option=request.option, actor=_caller_name()
        )
        return pb.AnswerTaskResponse(task=task)

    async def NoteTask(self, request: pb.NoteTaskRequest, context: Context) -> pb.NoteTaskResponse:
        task = await self._actions.note(request.task_id, text=request.text, actor=_caller_name())
        return pb.NoteTaskResponse(task=task)

    async def ApproveTask(self, request: pb.ApproveTaskRequest, context: Context) -> pb.ApproveTaskResponse:
        return await self._actions.approve(request.approvals, actor=_caller_name())

    async def RejectTask(self, request: pb.RejectTaskRequest, context: Context) -> pb.RejectTaskResponse:
        return await self._actions.reject(request, actor=_caller_name())

    async def RaiseBudget(self, request: pb.RaiseBudgetRequest, context: Context) -> pb.RaiseBudgetResponse:
        return await self._actions.raise_budget(request, actor=_caller_name())

    async def ListBudgets(self, request: pb.ListBudgetsRequest, context: Context) -> pb.ListBudgetsResponse:
        return await self._reads.budgets()

    async def ListInbox(self, request: pb.ListInboxRequest, context: Context) -> pb.ListInboxResponse:
        return await self._reads.inbox()

    async def AddDependency(
        self, request: pb.AddDependencyRequest, context: Context
    ) -> pb.AddDependencyResponse:
        return pb.AddDependencyResponse(task=await self._depend(request, remove=False))

    async def RemoveDependency(
        self, request: pb.RemoveDependencyRequest, context: Context
    ) -> pb.RemoveDependencyResponse:
        return pb.RemoveDependencyResponse(task=await self._depend(request, remove=True))

    async def GetSwarm(self, request: pb.GetSwarmRequest, context: Context) -> pb.GetSwarmResponse:
        now = values.timestamp(self._swarm.clock.wall_us())
        return pb.GetSwarmResponse(swarm=await self._reads.swarm(), now=now)

    async def PauseSwarm(self, request: pb.PauseSwarmRequest, context: Context) -> pb.PauseSwarmResponse:
        return pb.PauseSwarmResponse(swarm=await self._actions.pause(request.cause))

    async def EmergencyStop(
        self, request: pb.EmergencyStopRequest, context: Context
    ) -> pb.EmergencyStopResponse:
        return await self._actions.stop(request.cause)

    async def ResumeSwarm(self, request: pb.ResumeSwarmRequest, context: Context) -> pb.ResumeSwarmResponse:
        return await self._actions.resume(requeue=request.requeue)

    async def ListWorkers(self, request: pb.ListWorkersRequest, context: Context) -> pb.ListWorkersResponse:
        return pb.ListWorkersResponse(workers=await self._reads.workers())

    async def DrainWorker(self, request: pb.DrainWorkerRequest, context: Context) -> pb.DrainWorkerResponse:
        if bool(request.worker) == request.all:
            raise InvalidRequest("worker", "name a worker, or ask for all")
        deadline_s = values.seconds(request.deadline) if request.HasField("deadline") else None
        drained = await self._actions.drain(request.worker or None, deadline_s)
        return pb.DrainWorkerResponse(workers=drained)

    async def ForgetWorker(
        self, request: pb.ForgetWorkerRequest, context: Context
    ) -> pb.ForgetWorkerResponse:
        return await self._actions.forget(request.worker)

    async def WatchEvents(
        self, request: pb.WatchEventsRequest, context: Context
    ) -> AsyncIterator[pb.WatchEventsResponse]:
        _check_not_negative(request, "after_seq")
        async for response in streams.events(self._swarm, self._pages, request):
            yield response

    async def TailLog(
        self, request: pb.TailLogRequest, context: Context
    ) -> AsyncIterator[pb.TailLogResponse]:
        _check_not_negative(request, "attempt", "after_cursor", "tail")
        async for response in streams.log(self._swarm, request):
            yield response

    async def Backup(self, request: pb.BackupRequest, context: Context) -> AsyncIterator[pb.BackupResponse]:
        with self._backups.run():
            async for response in streams.backup(self._swarm):
                yield response

    async def FollowDatabase(
        self, request: pb.FollowDatabaseRequest, context: Context
    ) -> AsyncIterator[pb.FollowDatabaseResponse]:
        async for response in replication.follow(self._swarm):
            yield response

    async def ConfirmCommits(
        self, request: pb.ConfirmCommitsRequest, context: Context
    ) -> pb.ConfirmCommitsResponse:
        return replication.confirm(self._swarm, request)

    async def CreateToken(self, request: pb.CreateTokenRequest, context: Context) -> pb.CreateTokenResponse:
        role = enums.ROLE.from_wire(request.role, "role")
        terms = _token_terms(request, role)
        create = partial(self._swarm.tokens.create, role=role, name=request.name[:128], terms=terms)
        created = await self._swarm.db.write(create)
        return pb.CreateTokenResponse(token=created.text, info=views.token(created.record))

    async def ListTokens(self, request: pb.ListTokensRequest, context: Context) -> pb.ListTokensResponse:
        records = await self._swarm.db.read(self._swarm.tokens.list_all)
        return pb.ListTokensResponse(tokens=[views.token(record) for record in records])

    async def RevokeToken(self, request: pb.RevokeTokenRequest, context: Context) -> pb.RevokeTokenResponse:
        record = await self._swarm.db.write(partial(self._swarm.tokens.revoke, token_id=request.token_id))
        return pb.RevokeTokenResponse(info=views.token(record))

    async def CreateLoginCode(
        self, request: pb.CreateLoginCodeRequest, context: Context
    ) -> pb.CreateLoginCodeResponse:
        caller = self._swarm.tokens.verify(bearer_token(context))
        if not request.role:
            url = self._swarm.logins.make_link(caller)
            return pb.CreateLoginCodeResponse(url=url, valid_for=values.duration(CODE_S))
        if enums.ROLE.from_wire(request.role, "role") is not Role.VIEWER:
            raise InvalidRequest(
                "role", "only a viewer's link can be shared; leave the role out for your own"
            )
        if caller.role is not Role.OPERATOR:
            raise RoleDenied(caller.role, "a link to share")
        url = await self._swarm.db.write(self._swarm.logins.share_link)
        return pb.CreateLoginCodeResponse(url=url, valid_for=values.duration(SHARED_CODE_S))

    async def _depend(
        self, request: pb.AddDependencyRequest | pb.RemoveDependencyRequest, *, remove: bool
    ) -> task_pb2.Task:
        return await self._actions.change_dependency(request.task_id, request.dependency, remove=remove)


def _token_terms(request: pb.CreateTokenRequest, role: Role) -> TokenTerms:
    valid_s = request.valid_for.ToMicroseconds() / 1e6 if request.HasField("valid_for") else None
    if not request.HasField("join"):
        return ordinary_terms(valid_s=valid_s)
    return join_terms(role, valid_s=valid_s, labels=dict(request.join.labels), max_uses=request.join.max_uses)


def _caller_name() -> str:
    """Returns the name of the token with which the call under way was made."""
    token = CALLER.get()
    return "" if token is None else token.name


def _check_not_negative(request: Any, *fields: str) -> None:
    for field in fields:
        if getattr(request, field) < 0:
            raise InvalidRequest(field, "must not be negative; leave it 0 for the default")
