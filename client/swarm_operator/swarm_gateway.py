"""The calls to swarmd, made in threads, so that the operator's event loop never waits for them."""

import asyncio
from collections.abc import Mapping, Sequence

import grpc

from amplifier_swarm.documents.receipts import receipt_of
from amplifier_swarm.errors import unpack
from amplifier_swarm.plan.read import Plan
from amplifier_swarm.v1.operator_service_pb2 import (
    ForgetWorkerRequest,
    GetSwarmRequest,
    GetTaskRequest,
    KillTaskRequest,
    ListWorkersRequest,
)
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.swarm_pb2 import Worker
from amplifier_swarm.v1.task_pb2 import Task
from swarmctl.api.paging import TaskList
from swarmctl.api.plan_upload import ImportReply, send_plan
from swarmctl.api.timeouts import DEADLINE_S


class SwarmGateway:
    """A swarmd. Its methods raise grpc.RpcError where nothing else is said."""

    def __init__(self, stub: OperatorServiceStub) -> None:
        self._stub = stub
        self._seq = -1
        self._tasks: dict[str, Task] = {}
        # The plans are brought to the swarm at the same time, and one reading of the tasks serves all.
        self._reading = asyncio.Lock()

    async def add(self, plan: Plan) -> ImportReply:
        """Imports a plan; raises PlanRefused as well."""
        return await asyncio.to_thread(send_plan, self._stub, plan)

    async def tasks(self) -> Mapping[str, Task]:
        """Returns all tasks by id. They are read again only after an event."""
        async with self._reading:
            swarm = await asyncio.to_thread(self._stub.GetSwarm, GetSwarmRequest(), timeout=DEADLINE_S)
            if swarm.swarm.last_event_seq != self._seq:
                found = await asyncio.to_thread(TaskList(self._stub).first, 0)
                self._tasks = {task.task_id: task for task in found}
                self._seq = swarm.swarm.last_event_seq
            return self._tasks

    async def kill(self, task_ids: Sequence[str], cause: str) -> None:
        """Orders the end of tasks; a task that has ended or is unknown is left alone."""
        request = KillTaskRequest(task_ids=task_ids, cause=cause)
        try:
            await asyncio.to_thread(self._stub.KillTask, request, timeout=DEADLINE_S)
        except grpc.RpcError as error:
            if unpack(error).reason not in ("TASK_NOT_FOUND", "INVALID_STATUS"):
                raise

    async def survivors(self, task_id: str) -> int:
        """Returns the number of processes of the task that could not be ended."""
        answer = await asyncio.to_thread(
            self._stub.GetTask, GetTaskRequest(task_id=task_id), timeout=DEADLINE_S
        )
        receipt = receipt_of(answer)
        return 0 if receipt is None else receipt.survivors

    async def workers(self) -> Sequence[Worker]:
        """Returns the workers that are known."""
        answer = await asyncio.to_thread(self._stub.ListWorkers, ListWorkersRequest(), timeout=DEADLINE_S)
        return list(answer.workers)

    async def forget(self, worker: str) -> Sequence[str] | None:
        """Frees the tasks of a worker that is gone, and returns them; None if the worker is connected or unknown."""
        request = ForgetWorkerRequest(worker=worker)
        try:
            answer = await asyncio.to_thread(self._stub.ForgetWorker, request, timeout=DEADLINE_S)
        except grpc.RpcError as error:
            if unpack(error).reason in ("WORKER_CONNECTED", "WORKER_NOT_FOUND"):
                return None
            raise
        return list(answer.task_ids)
