"""The verbs that change tasks and the swarm."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from decimal import Decimal
from typing import Any

from amplifier_swarm.documents.receipts import receipt_of
from amplifier_swarm.v1.hold_pb2 import HoldKind
from amplifier_swarm.v1.operator_service_pb2 import (
    AcceptResultRequest,
    AddDependencyRequest,
    AddTasksResponse,
    AnswerTaskRequest,
    ApproveTaskRequest,
    DrainWorkerRequest,
    EmergencyStopRequest,
    EmergencyStopResponse,
    ForgetWorkerRequest,
    GetTaskRequest,
    GetTaskResponse,
    HoldTaskRequest,
    KillTaskRequest,
    LandWorkRequest,
    NoteTaskRequest,
    PauseSwarmRequest,
    RaiseBudgetRequest,
    RejectTaskRequest,
    RemoveDependencyRequest,
    ResumeSwarmRequest,
    RetryTaskRequest,
    TaskApproval,
    UnholdTaskRequest,
)
from amplifier_swarm.v1.task_pb2 import TaskStatus
from amplifier_swarm_client import plan_source, types
from amplifier_swarm_client.aio import waits
from amplifier_swarm_client.aio.connection import CallConnection
from amplifier_swarm_client.aio.reading import Reader
from amplifier_swarm_client.convert import value_of
from amplifier_swarm_client.plan_source import PlanSource, TaskFileText
from amplifier_swarm_client.results import KilledTask
from amplifier_swarm_client.timeouts import IMPORT_DEADLINE_S
from amplifier_swarm_client.types.reasons import HoldRefused, InvalidTasks

# An emergency stop gives no grace: within half of this, a worker that is heard has reported.
STOP_WITHIN_S = 60.0


class EmergencyStop:
    """An emergency stop that is in force, and its receipts as they arrive."""

    def __init__(self, connection: CallConnection, answer: EmergencyStopResponse) -> None:
        self._connection = connection
        self._answer = answer
        self._silent: set[str] = set()
        self.swarm: types.SwarmState = value_of(answer.swarm, types.SwarmState)
        #: The tasks whose sessions were ordered to end.
        self.killing: tuple[str, ...] = tuple(answer.killing)
        #: The tasks that were claimed and had no session yet.
        self.killed: tuple[str, ...] = tuple(answer.killed)
        #: The workers that hold these sessions.
        self.workers: tuple[types.StoppingWorker, ...] = tuple(
            value_of(worker, types.StoppingWorker) for worker in answer.workers
        )

    @property
    def silent(self) -> frozenset[str]:
        """The workers that are not waited for, since they can't be reached. They end their sessions by themselves."""
        return frozenset(self._silent)

    async def receipts(self, *, timeout_s: float = STOP_WITHIN_S) -> AsyncGenerator[KilledTask, None]:
        """Yields each task when its processes are proven gone.

        It ends when nothing is left that can be waited for, or after `timeout_s` seconds.
        """
        found = waits.stopped_tasks(self._connection, self._answer, self._silent, within_s=timeout_s)
        async with aclosing(found):
            async for task in found:
                yield _killed(task)


class Swarm(Reader):
    """A swarm."""

    async def add(
        self, tasks: PlanSource | TaskFileText, *, clear: bool = False, dry_run: bool = False
    ) -> types.Added:
        """Adds tasks, and changes those that exist and do not run, all or none.

        `tasks` are definitions, mappings as in a task file, or a whole plan: a mapping, the path of a task file, or its
        text as TaskFileText. `clear` removes all tasks first. `dry_run` checks everything and changes nothing.

        Raises:
            InvalidTasks: The plan has faults; `violations` lists them by place.
        """
        plan, planned = plan_source.read(tasks)
        requests = list(plan_source.messages(planned, plan=plan, clear=clear, dry_run=dry_run))
        try:
            answer: AddTasksResponse = await self._connection.upload(
                "AddTasks", requests, timeout_s=IMPORT_DEADLINE_S, safe=not clear
            )
        except InvalidTasks as error:
            if plan is None:
                raise
            raise plan_source.refused(plan.file, plan_source.located(plan, error.violations)) from error
        return value_of(answer, types.Added)

    async def kill(self, task_id: str, *, cause: str = "", timeout_s: float | None = None) -> KilledTask:
        """Ends a task for good, and waits until its processes are proven gone; returns the receipt.

        A worker that can't be reached delays the proof.

        Raises:
            WaitTimedOut: The task is killed, and the proof has not come in time.
        """
        request = KillTaskRequest(task_ids=[task_id], cause=cause)
        task = (await self._connection.call("KillTask", request)).tasks[0]
        [found] = await waits.wait_for_tasks(
            self._connection, [task.task_id], {TaskStatus.TASK_STATUS_KILLED}, timeout_s=timeout_s
        )
        return _killed(found)

    async def retry(self, task_id: str, *, despite_survivors: bool = False) -> types.Task:
        """Gives an ended task a new start with full budgets, and revives what was skipped because of it.

        `despite_survivors` retries it also if processes of its last attempt could not be ended.
        """
        request = RetryTaskRequest(task_ids=[task_id], despite_survivors=despite_survivors)
        return _first(await self._connection.call("RetryTask", request))

    async def retry_failed(self) -> tuple[types.Task, ...]:
        """Retries all tasks that have failed; returns them."""
        answer = await self._connection.call("RetryTask", RetryTaskRequest(failed=True))
        return tuple(value_of(task, types.Task) for task in answer.tasks)

    async def land(self, task_id: str) -> types.Task:
        """Lands the kept work of a completed task."""
        answer = await self._connection.call("LandWork", LandWorkRequest(task_ids=[task_id]))
        return value_of([*answer.tasks, *answer.unchanged][0], types.Task)

    async def accept(self, task_id: str, *, attempt: int) -> types.Task:
        """Lets a result that came too late count after all."""
        request = AcceptResultRequest(task_id=task_id, attempt=attempt)
        return _one(await self._connection.call("AcceptResult", request))

    async def hold(self, task_id: str, *, cause: str = "") -> types.Task:
        """Holds a task that has not started."""
        return _first(
            await self._connection.call("HoldTask", HoldTaskRequest(task_ids=[task_id], cause=cause))
        )

    async def unhold(self, task_id: str) -> types.Task:
        """Ends the hold of an operator. A task that is not held is left alone."""
        return _first(await self._connection.call("UnholdTask", UnholdTaskRequest(task_ids=[task_id])))

    async def answer(self, task_id: str, text: str = "", *, option: int = 0, hold_id: str = "") -> types.Task:
        """Answers the question that a task waits for, by a text or by the number of an option, from 1.

        `hold_id` names the question, so that a later one is never answered. Without it the last question is meant.

        Raises:
            HoldRefused: The task waits for no answer, or another one came first.
        """
        kinds = (HoldKind.HOLD_KIND_QUESTION, HoldKind.HOLD_KIND_NO_PROGRESS)
        hold_id = hold_id or await self._hold_id(task_id, *kinds)
        request = AnswerTaskRequest(task_id=task_id, hold_id=hold_id, text=text, option=option)
        return _one(await self._connection.call("AnswerTask", request))

    async def approve(self, task_id: str, *, hold_id: str = "") -> types.Task:
        """Approves what a task waits for: its start, the landing of its work, or that it counts.

        Raises:
            HoldRefused: The task waits for no approval, or for another one.
        """
        hold_id = hold_id or await self._hold_id(task_id, HoldKind.HOLD_KIND_APPROVAL)
        approval = TaskApproval(task_id=task_id, hold_id=hold_id)
        return _first(await self._connection.call("ApproveTask", ApproveTaskRequest(approvals=[approval])))

    async def reject(
        self,
        task_id: str,
        text: str,
        *,
        hold_id: str = "",
        with_dependents: bool = False,
        dry_run: bool = False,
    ) -> types.Rejected:
        """Rejects what a task waits for, or the work of a completed task; the text is a finding for the next builder.

        Without `hold_id`, the approval that the task waits for is meant, if there is one.
        """
        if not hold_id:
            found = await self._get(task_id)
            if found.task.HasField("hold") and found.task.hold.kind == HoldKind.HOLD_KIND_APPROVAL:
                hold_id = found.task.hold.hold_id
        request = RejectTaskRequest(
            task_id=task_id, hold_id=hold_id, text=text, with_dependents=with_dependents, dry_run=dry_run
        )
        return value_of(await self._connection.call("RejectTask", request), types.Rejected)

    async def note(self, task_id: str, text: str) -> types.Task:
        """Leaves a note for the next attempts of a task."""
        return _one(await self._connection.call("NoteTask", NoteTaskRequest(task_id=task_id, text=text)))

    async def budget(self, task_id: str, *, add_cost: Decimal | str = "", add_tokens: int = 0) -> types.Task:
        """Raises the caps of a task: `add_cost` in US dollars. Each call adds again."""
        request = RaiseBudgetRequest(task_id=task_id, add_cost=str(add_cost), add_tokens=add_tokens)
        return _one(await self._connection.call("RaiseBudget", request))

    async def add_dependency(self, task_id: str, dependency: str) -> types.Task:
        """Lets a task that has not begun wait for another one."""
        request = AddDependencyRequest(task_id=task_id, dependency=dependency)
        return _one(await self._connection.call("AddDependency", request))

    async def remove_dependency(self, task_id: str, dependency: str) -> types.Task:
        """Lets a task that has not begun wait for another one no longer."""
        request = RemoveDependencyRequest(task_id=task_id, dependency=dependency)
        return _one(await self._connection.call("RemoveDependency", request))

    async def pause(self, *, cause: str = "") -> types.SwarmState:
        """Gives no claims until `resume`; what runs goes on."""
        answer = await self._connection.call("PauseSwarm", PauseSwarmRequest(cause=cause))
        return value_of(answer.swarm, types.SwarmState)

    async def resume(self, *, requeue: bool = False) -> types.Resumed:
        """Ends every pause and stop; `requeue` retries the tasks that stops and drains have ended."""
        answer = await self._connection.call("ResumeSwarm", ResumeSwarmRequest(requeue=requeue))
        return value_of(answer, types.Resumed)

    async def drain(
        self, worker: str | None = None, *, deadline: timedelta | None = None
    ) -> tuple[types.Worker, ...]:
        """Lets a worker, or all of them, finish its tasks and exit; what still runs after `deadline` is killed."""
        request = DrainWorkerRequest(worker=worker or "", all=worker is None)
        if deadline is not None:
            request.deadline.FromTimedelta(deadline)
        answer = await self._connection.call("DrainWorker", request)
        return tuple(value_of(drained, types.Worker) for drained in answer.workers)

    async def forget(self, worker: str) -> tuple[str, ...]:
        """Declares the machine of a worker gone; returns the ids of the tasks that it held."""
        answer = await self._connection.call("ForgetWorker", ForgetWorkerRequest(worker=worker))
        return tuple(answer.task_ids)

    async def emergency_stop(self, *, cause: str = "") -> EmergencyStop:
        """Ends every session and starts nothing until `resume`. The stop is in force when this returns."""
        request = EmergencyStopRequest(cause=cause)
        return EmergencyStop(self._connection, await self._connection.call("EmergencyStop", request))

    async def _get(self, task_id: str) -> GetTaskResponse:
        answer: GetTaskResponse = await self._connection.call("GetTask", GetTaskRequest(task_id=task_id))
        return answer

    async def _hold_id(self, task_id: str, *kinds: HoldKind.ValueType) -> str:
        """Returns the id of the last hold of one of the kinds: the server then says who settled it, if somebody has."""
        found = await self._get(task_id)
        holds = [hold for hold in found.holds if hold.kind in kinds]
        if not holds:
            full_id = found.task.task_id
            what = "approval" if HoldKind.HOLD_KIND_APPROVAL in kinds else "answer"
            raise HoldRefused(
                f"task {full_id!r} waits for no {what}", reason="HOLD_REFUSED", data={"taskId": full_id}
            )
        return holds[-1].hold_id


def _one(answer: Any) -> types.Task:
    return value_of(answer.task, types.Task)


def _first(answer: Any) -> types.Task:
    return value_of(answer.tasks[0], types.Task)


def _killed(answer: GetTaskResponse) -> KilledTask:
    receipt = receipt_of(answer)
    return KilledTask(
        task=value_of(answer.task, types.Task),
        receipt=None if receipt is None else value_of(receipt, types.KillReceipt),
    )
