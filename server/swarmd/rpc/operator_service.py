"""OperatorService: the verbs of people, as the engine's."""

import re
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, Final

import grpc

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import operator_service_pb2_grpc as pb_grpc
from amplifier_swarm.v1 import swarm_pb2, task_pb2
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import TaskKey, WorkerName
from swarmd.engine import explain, late, names, overview, plans, retries
from swarmd.engine.swarm import Swarm
from swarmd.rpc import streams
from swarmd.store import tasks
from swarmd.store import views as store_views
from swarmd.store.transaction import ReadTx
from swarmd.store.views import TaskFilter
from swarmd.wire import definitions, enums, values, views

Context = grpc.aio.ServicerContext[Any, Any]
MAX_CAUSE: Final = 500
MAX_PAGE: Final = 1_000
_PAGE_TOKEN: Final = re.compile(r"[0-9]{0,15}")


class OperatorService(pb_grpc.OperatorServiceServicer):
    """Converts, calls, converts."""

    def __init__(self, swarm: Swarm, *, started_us: int) -> None:
        self._swarm = swarm
        self._started_us = started_us

    async def AddTasks(
        self, request_iterator: AsyncIterator[pb.AddTasksRequest], context: Context
    ) -> pb.AddTasksResponse:
        messages = [message async for message in request_iterator]
        plan = [definitions.read_planned(task) for message in messages for task in message.tasks]
        clear = any(message.clear for message in messages)
        dry_run = any(message.dry_run for message in messages)
        try:
            verb = plans.try_out if dry_run else plans.add
            added = await self._swarm.db.write(partial(verb, plan=plan, clear=clear))
        except plans.DryRun as tried:
            added = tried.result
        return pb.AddTasksResponse(
            added=added.added,
            changed=added.changed,
            unchanged=added.unchanged,
            removed=added.removed,
            warnings=[pb.PlanWarning(place=odd.place, message=odd.message) for odd in added.warnings],
        )

    async def ExportTasks(
        self, request: pb.ExportTasksRequest, context: Context
    ) -> AsyncIterator[pb.ExportTasksResponse]:
        wanted = {enums.TASK_STATUS.from_wire(status, "statuses") for status in request.statuses}
        plan = await self._swarm.db.read(tasks.export)
        async for response in streams.export(task for task in plan if not wanted or task.status in wanted):
            yield response

    async def GetTask(self, request: pb.GetTaskRequest, context: Context) -> pb.GetTaskResponse:
        return await self._swarm.db.read(lambda tx: _detail(tx, names.resolve(tx, request.task_id).key))

    async def ListTasks(self, request: pb.ListTasksRequest, context: Context) -> pb.ListTasksResponse:
        wanted = TaskFilter(
            [enums.TASK_STATUS.from_wire(status, "statuses") for status in request.statuses],
            request.phase,
            request.search,
        )
        if not _PAGE_TOKEN.fullmatch(request.page_token):
            raise InvalidRequest("page_token", "is none that this server gave")
        limit = min(request.page_size if request.page_size > 0 else 100, MAX_PAGE)
        return await self._swarm.db.read(
            lambda tx: _page(tx, wanted, after=int(request.page_token or 0), limit=limit)
        )

    async def ExplainTask(self, request: pb.ExplainTaskRequest, context: Context) -> pb.ExplainTaskResponse:
        live, backoffs = self._swarm.live, self._swarm.backoffs

        def read(tx: ReadTx) -> tuple[explain.Facts, task_pb2.Task]:
            task = names.resolve(tx, request.task_id)
            return explain.gather(tx, task, live), views.task(store_views.task(tx, task.key))

        facts, task = await self._swarm.db.read(read)
        return pb.ExplainTaskResponse(
            task=task, reasons=views.reasons(explain.reasons(facts, live, backoffs))
        )

    async def RetryTask(self, request: pb.RetryTaskRequest, context: Context) -> pb.RetryTaskResponse:
        verb = partial(retries.retry, task_ids=request.task_ids, failed=request.failed)
        retried = await self._swarm.db.write(verb)
        return pb.RetryTaskResponse(tasks=await self._tasks(retried.task_ids), revived=retried.revived)

    async def KillTask(self, request: pb.KillTaskRequest, context: Context) -> pb.KillTaskResponse:
        verb = partial(self._swarm.kills.kill, task_ids=request.task_ids, cause=_cause(request.cause))
        return pb.KillTaskResponse(tasks=await self._tasks(await self._swarm.db.write(verb, urgent=True)))

    async def AcceptResult(
        self, request: pb.AcceptResultRequest, context: Context
    ) -> pb.AcceptResultResponse:
        verb = partial(late.accept, task_id=request.task_id, number=request.attempt)
        return pb.AcceptResultResponse(task=(await self._tasks([await self._swarm.db.write(verb)]))[0])

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
        return pb.GetSwarmResponse(swarm=await self._overview(), now=now)

    async def PauseSwarm(self, request: pb.PauseSwarmRequest, context: Context) -> pb.PauseSwarmResponse:
        await self._swarm.db.write(partial(self._swarm.kills.pause, cause=_cause(request.cause)))
        return pb.PauseSwarmResponse(swarm=await self._overview())

    async def EmergencyStop(
        self, request: pb.EmergencyStopRequest, context: Context
    ) -> pb.EmergencyStopResponse:
        verb = partial(self._swarm.kills.emergency_stop, cause=_cause(request.cause))
        stopped = await self._swarm.db.write(verb, urgent=True)
        pace = self._swarm.policy.pace
        found = overview.stopping_workers(self._swarm.live, self._swarm.clock, pace)
        return pb.EmergencyStopResponse(
            swarm=await self._overview(),
            killing=stopped.killing,
            killed=stopped.killed,
            workers=[views.stopping(worker) for worker in found],
        )

    async def ResumeSwarm(self, request: pb.ResumeSwarmRequest, context: Context) -> pb.ResumeSwarmResponse:
        requeued = await self._swarm.resume(requeue=request.requeue)
        return pb.ResumeSwarmResponse(swarm=await self._overview(), requeued=requeued)

    async def ListWorkers(self, request: pb.ListWorkersRequest, context: Context) -> pb.ListWorkersResponse:
        return pb.ListWorkersResponse(workers=await self._workers())

    async def DrainWorker(self, request: pb.DrainWorkerRequest, context: Context) -> pb.DrainWorkerResponse:
        if bool(request.worker) == request.all:
            raise InvalidRequest("worker", "name a worker, or ask for all")
        deadline_s = values.seconds(request.deadline) if request.HasField("deadline") else None
        drained = await self._swarm.drain(WorkerName(request.worker) or None, deadline_s)
        return pb.DrainWorkerResponse(workers=[w for w in await self._workers() if w.name in drained])

    async def WatchEvents(
        self, request: pb.WatchEventsRequest, context: Context
    ) -> AsyncIterator[pb.WatchEventsResponse]:
        async for response in streams.events(self._swarm, request):
            yield response

    async def TailLog(
        self, request: pb.TailLogRequest, context: Context
    ) -> AsyncIterator[pb.TailLogResponse]:
        async for response in streams.log(self._swarm, request):
            yield response

    async def Backup(self, request: pb.BackupRequest, context: Context) -> AsyncIterator[pb.BackupResponse]:
        async for response in streams.backup(self._swarm):
            yield response

    async def CreateToken(self, request: pb.CreateTokenRequest, context: Context) -> pb.CreateTokenResponse:
        role = enums.ROLE.from_wire(request.role, "role")
        verb = partial(self._swarm.access.create, role=role, name=request.name[:128])
        token, record = await self._swarm.db.write(verb)
        return pb.CreateTokenResponse(token=token, info=views.token(record))

    async def ListTokens(self, request: pb.ListTokensRequest, context: Context) -> pb.ListTokensResponse:
        records = await self._swarm.db.read(self._swarm.access.every)
        return pb.ListTokensResponse(tokens=[views.token(record) for record in records])

    async def RevokeToken(self, request: pb.RevokeTokenRequest, context: Context) -> pb.RevokeTokenResponse:
        record = await self._swarm.db.write(partial(self._swarm.access.revoke, token_id=request.token_id))
        return pb.RevokeTokenResponse(info=views.token(record))

    async def _depend(
        self, request: pb.AddDependencyRequest | pb.RemoveDependencyRequest, *, remove: bool
    ) -> task_pb2.Task:
        verb = partial(plans.depend, task_id=request.task_id, dependency=request.dependency, remove=remove)
        return (await self._tasks([await self._swarm.db.write(verb)]))[0]

    async def _tasks(self, task_ids: Sequence[str]) -> list[task_pb2.Task]:
        def read(tx: ReadTx) -> list[task_pb2.Task]:
            keys = [names.resolve(tx, task_id).key for task_id in task_ids]
            return [views.task(store_views.task(tx, key)) for key in keys]

        return await self._swarm.db.read(read)

    async def _overview(self) -> swarm_pb2.Swarm:
        verb = partial(overview.swarm_view, live=self._swarm.live, started_us=self._started_us)
        return views.swarm(await self._swarm.db.read(verb))

    async def _workers(self) -> list[swarm_pb2.Worker]:
        known = self._swarm
        pace = known.policy.pace
        verb = partial(overview.worker_views, live=known.live, clock=known.clock, pace=pace)
        found = await known.db.read(verb)
        return [views.worker(view) for view in found]


def _cause(text: str) -> str:
    if len(text) > MAX_CAUSE:
        raise InvalidRequest("cause", f"has {len(text)} characters; at most {MAX_CAUSE}")
    return text


def _detail(tx: ReadTx, key: TaskKey) -> pb.GetTaskResponse:
    return pb.GetTaskResponse(
        task=views.task(store_views.task(tx, key)),
        definition=definitions.write(store_views.definition(tx, key)),
        attempts=[views.attempt(view) for view in store_views.attempts(tx, key)],
    )


def _page(tx: ReadTx, wanted: TaskFilter, *, after: int, limit: int) -> pb.ListTasksResponse:
    found = store_views.page(tx, wanted, after=after, limit=limit)
    return pb.ListTasksResponse(
        tasks=[views.task(view) for view in found],
        next_page_token=str(found[-1].key) if len(found) == limit else "",
        total=store_views.total(tx, wanted),
    )
