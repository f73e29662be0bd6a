"""The actions of operators, with their results as messages, shared by gRPC and HTTP.

Kills and stops read their result inside the write transaction, so that no long read of others delays them.
"""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import swarm_pb2, task_pb2
from amplifier_swarm.v1.error_reason_pb2 import ErrorReason
from swarmd.domain.budget import Spent, read_dollars
from swarmd.domain.errors import InvalidRequest, SwarmError
from swarmd.domain.landing import StartPoint
from swarmd.domain.model import TaskId, WorkerName
from swarmd.domain.refused_task import RefusedTask
from swarmd.domain.retry_terms import RetryTerms
from swarmd.engine import bulk
from swarmd.engine.attempts.swarm_control import EmergencyStopResult
from swarmd.engine.live.wakeups import question_subject
from swarmd.engine.reports import overview
from swarmd.engine.swarm import Swarm
from swarmd.engine.tasks import approving, budgets, holding, late_results, rejecting, shared_budgets
from swarmd.store.transaction import Tx
from swarmd.wire import budgets as wire_budgets
from swarmd.wire import enums, views
from swarmd.wire.reads import Reads

MAX_CAUSE: Final = 500
MAX_IDS: Final = 100_000
# The tasks of an answer have at most this size together; foreign clients take messages of up to 4 MiB.
MAX_ANSWER_BYTES: Final = 2 * 1024 * 1024
# An answer names at least this many refusals.
MAX_REFUSALS: Final = 100
# An answer names at most this many tasks that a rejection or a retry puts back.
MAX_DEPENDENT_IDS: Final = 1_000
# A year.
MAX_DEADLINE_S: Final = 31_536_000


class Actions:
    """The actions on one swarm."""

    def __init__(self, swarm: Swarm, reads: Reads) -> None:
        self._swarm = swarm
        self._reads = reads

    async def kill(self, task_ids: Sequence[str], cause: str) -> pb.KillTaskResponse:
        """Kills tasks; raises the first refusal if it kills none."""
        answer = _TaskAnswer(bulk.kill_named(self._swarm, _checked_ids(task_ids), _checked_cause(cause)))
        await answer.collect()
        return pb.KillTaskResponse(tasks=answer.tasks, refused=answer.refused, omitted=answer.omitted)

    async def retry(self, request: pb.RetryTaskRequest, *, actor: str) -> pb.RetryTaskResponse:
        """Retries the named tasks, and all failed tasks if asked to; raises the first refusal if it retries none."""
        names = list(_checked_ids(request.task_ids))
        if request.failed:
            names += await self._swarm.db.read(bulk.failed_ids)
        terms = RetryTerms(
            despite_survivors=request.despite_survivors,
            retry_from=enums.RETRY_FROM.optional(request.terms.retry_from, "terms.retry_from"),
            starts_at=_read_start(request.terms.starts_at),
            completed=request.terms.completed,
            with_dependents=request.terms.with_dependents,
        )
        if request.dry_run:
            answer = _TaskAnswer(bulk.preview_retry_named(self._swarm, names, terms=terms))
        else:
            answer = _TaskAnswer(bulk.retry_named(self._swarm, names, terms=terms, actor=actor))
        await answer.collect()
        return pb.RetryTaskResponse(
            tasks=answer.tasks,
            refused=answer.refused,
            omitted=answer.omitted,
            revived=answer.revived,
            dependents=len(answer.dependents),
            dependent_ids=list(answer.dependents)[:MAX_DEPENDENT_IDS],
        )

    async def land(self, task_ids: Sequence[str]) -> pb.LandWorkResponse:
        """Orders the landing of kept work; raises the first refusal if every task is refused."""
        answer = _TaskAnswer(bulk.land_named(self._swarm, _checked_ids(task_ids)))
        await answer.collect()
        return pb.LandWorkResponse(
            tasks=answer.tasks,
            unchanged=answer.unchanged,
            waiting=answer.waiting,
            refused=answer.refused,
            omitted=answer.omitted,
        )

    async def hold(self, task_ids: Sequence[str], cause: str, *, actor: str) -> pb.HoldTaskResponse:
        """Holds tasks that have not started; raises the first refusal if it holds none."""
        hold = partial(holding.hold, cause=_checked_cause(cause), actor=actor)
        answer = _TaskAnswer(bulk.change_named(self._swarm, _checked_ids(task_ids), hold))
        await answer.collect()
        return pb.HoldTaskResponse(tasks=answer.tasks, refused=answer.refused, omitted=answer.omitted)

    async def unhold(self, task_ids: Sequence[str], *, actor: str) -> pb.UnholdTaskResponse:
        """Ends holds of operators; raises the first refusal if it ends none."""
        unhold = partial(holding.unhold, actor=actor)
        answer = _TaskAnswer(bulk.change_named(self._swarm, _checked_ids(task_ids), unhold))
        await answer.collect()
        return pb.UnholdTaskResponse(tasks=answer.tasks, refused=answer.refused, omitted=answer.omitted)

    async def answer(
        self, task_id: str, hold_id: str, *, text: str, option: int, actor: str
    ) -> task_pb2.Task:
        """Answers the question that the task waits for."""
        write = partial(holding.answer, name=task_id, hold_id=hold_id, text=text, option=option, actor=actor)
        key = await self._swarm.db.write(write)
        self._swarm.wakeups.notify(question_subject(hold_id))
        return await self._reads.task_of(key)

    async def accept(self, task_id: str, attempt: int) -> task_pb2.Task:
        """Lets a result that came too late count after all."""
        accept = partial(late_results.accept, task_id=TaskId(task_id), number=attempt)
        return (await self._reads.tasks([await self._swarm.db.write(accept)]))[0]

    async def change_dependency(self, task_id: str, dependency: str, *, remove: bool) -> task_pb2.Task:
        """Adds a dependency to a task that has not begun, or removes one."""
        changed = await self._swarm.change_dependency(task_id, dependency, remove=remove)
        return (await self._reads.tasks([changed]))[0]

    async def note(self, task_id: str, *, text: str, actor: str) -> task_pb2.Task:
        """Leaves a note for the next attempts of the task."""
        write = partial(holding.note, name=task_id, text=text, actor=actor)
        return await self._reads.task_of(await self._swarm.db.write(write))

    async def approve(self, approvals: Sequence[pb.TaskApproval], *, actor: str) -> pb.ApproveTaskResponse:
        """Approves what the tasks wait for; raises the first refusal if it approves none."""
        hold_ids = {approval.task_id: approval.hold_id for approval in approvals}
        approve = partial(approving.approve, hold_ids=hold_ids, actor=actor)
        answer = _TaskAnswer(bulk.change_named(self._swarm, _checked_ids(list(hold_ids)), approve))
        await answer.collect()
        return pb.ApproveTaskResponse(tasks=answer.tasks, refused=answer.refused, omitted=answer.omitted)

    async def reject(self, request: pb.RejectTaskRequest, *, actor: str) -> pb.RejectTaskResponse:
        """Rejects what the task waits for, or the work of a completed task if the request names no hold."""
        if request.hold_id:
            write = partial(
                approving.reject,
                name=request.task_id,
                hold_id=request.hold_id,
                text=request.text,
                actor=actor,
            )
            return pb.RejectTaskResponse(task=await self._reads.task_of(await self._swarm.db.write(write)))
        if request.dry_run:
            done = await self._swarm.db.read(partial(rejecting.preview, name=request.task_id))
        else:
            reject = partial(
                rejecting.reject_completed,
                name=request.task_id,
                text=request.text,
                with_dependents=request.with_dependents,
                actor=actor,
            )
            done = await self._swarm.db.write(reject)
        return pb.RejectTaskResponse(
            task=await self._reads.task_of(done.key),
            dependents=len(done.dependents),
            dependent_ids=done.dependents[:MAX_DEPENDENT_IDS],
        )

    async def raise_budget(self, request: pb.RaiseBudgetRequest, *, actor: str) -> pb.RaiseBudgetResponse:
        """Raises the caps of a task or of a shared budget; what was held for it goes on if it may spend again.

        Raises:
            InvalidRequest: both are named, or nothing can be added. TaskNotFound, BudgetNotFound.
        """
        cost_nano = read_dollars(request.add_cost, "add_cost") if request.add_cost else 0
        added = Spent(cost_nano, request.add_tokens)
        if not request.HasField("budget"):
            write = partial(budgets.raise_budget, name=request.task_id, added=added, actor=actor)
            return pb.RaiseBudgetResponse(task=await self._reads.task_of(await self._swarm.db.write(write)))
        if request.task_id:
            raise InvalidRequest("task_id", "stands beside a shared budget; name one of them")
        kind = enums.BUDGET_KIND.from_wire(request.budget.kind, "budget.kind")
        name = request.budget.name
        shared = partial(shared_budgets.raise_budget, kind=kind, name=name, added=added, actor=actor)
        return pb.RaiseBudgetResponse(budget=wire_budgets.budget(await self._swarm.db.write(shared)))

    async def pause(self, cause: str) -> swarm_pb2.Swarm:
        """Pauses the swarm: no task is claimed until a resume."""
        await self._swarm.db.write(partial(self._swarm.control.pause, cause=_checked_cause(cause)))
        return await self._reads.swarm()

    async def stop(self, cause: str) -> pb.EmergencyStopResponse:
        """Stops everything until a resume; the response lists the workers to wait for."""
        checked = _checked_cause(cause)

        def stop(tx: Tx) -> tuple[EmergencyStopResult, swarm_pb2.Swarm]:
            return self._swarm.control.emergency_stop(tx, checked), self._reads.swarm_in(tx)

        stopped, swarm = await self._swarm.db.write(stop, urgent=True)
        pace = self._swarm.policy.pace
        found = overview.stopping_workers(self._swarm.live, self._swarm.clock, pace)
        return pb.EmergencyStopResponse(
            swarm=swarm,
            killing=stopped.killing,
            killed=stopped.killed,
            workers=[views.stopping(worker) for worker in found],
        )

    async def resume(self, *, requeue: bool) -> pb.ResumeSwarmResponse:
        """Ends every pause and stop; `requeue` retries the tasks that they ended."""
        requeued = await self._swarm.resume(requeue=requeue)
        return pb.ResumeSwarmResponse(swarm=await self._reads.swarm(), requeued=requeued)

    async def drain(self, worker: str | None, deadline_s: float | None) -> list[swarm_pb2.Worker]:
        """Drains one worker, or all connected workers if `worker` is None; returns the drained workers.

        Raises: InvalidRequest for a deadline out of range, WorkerNotFound.
        """
        if deadline_s is not None and not 0 <= deadline_s <= MAX_DEADLINE_S:
            raise InvalidRequest("deadline", f"must be between 0 and {MAX_DEADLINE_S} seconds")
        drained = await self._swarm.drain(None if worker is None else WorkerName(worker), deadline_s)
        return [found for found in await self._reads.workers() if found.name in drained]

    async def forget(self, worker: str) -> pb.ForgetWorkerResponse:
        """Ends the leases of a worker that is gone; raises WorkerNotFound or WorkerConnected."""
        forget = partial(self._swarm.workers.declare_gone, name=WorkerName(worker))
        leases = await self._swarm.db.write(forget)
        return pb.ForgetWorkerResponse(task_ids=[lease.task_id for lease in leases])


def _read_start(given: int) -> StartPoint:
    start = enums.START_POINT.optional(given, "terms.starts_at") or StartPoint.BUILDER
    if start is StartPoint.LANDING:
        raise InvalidRequest("terms.starts_at", "can't be LANDING; LandWork lands kept work")
    return start


def _checked_cause(cause: str) -> str:
    if len(cause) > MAX_CAUSE:
        raise InvalidRequest("cause", f"has {len(cause)} characters; at most {MAX_CAUSE}")
    return cause


def _checked_ids(task_ids: Sequence[str]) -> Sequence[str]:
    if len(task_ids) > MAX_IDS:
        raise InvalidRequest("task_ids", f"has {len(task_ids)} ids; send at most {MAX_IDS} in a call")
    if not all(task_ids):
        raise InvalidRequest("task_ids", "has an empty id; name a task")
    return task_ids


class _TaskAnswer:
    """The answer to an action on many tasks: the tasks that fit into MAX_ANSWER_BYTES, and the refusals."""

    def __init__(self, batches: AsyncIterator[bulk.ActionBatch]) -> None:
        self._batches = batches
        self._room = MAX_ANSWER_BYTES
        self.tasks: list[task_pb2.Task] = []
        self.refused: list[pb.TaskRefusal] = []
        self.omitted = 0
        self.revived = 0
        self.dependents: dict[TaskId, None] = {}
        self.unchanged: list[task_pb2.Task] = []
        self.waiting = 0

    async def collect(self) -> None:
        """Runs the action to its end.

        Raises:
            SwarmError: the first refusal, if the action did not concern any other task.
        """
        first: SwarmError | None = None
        async for batch in self._batches:
            for view in batch.tasks:
                self._add(self.tasks, views.task(view))
            for view in batch.unchanged:
                self._add(self.unchanged, views.task(view))
            for refusal in batch.refused:
                first = first or refusal.error
                self._refuse(refusal)
            self.revived += batch.revived
            self.dependents.update(dict.fromkeys(batch.dependents))
            self.waiting += batch.waiting
        if first is not None and not (self.tasks or self.unchanged or self.omitted):
            raise first

    def _add(self, found: list[task_pb2.Task], task: task_pb2.Task) -> None:
        self._room -= task.ByteSize()
        if self._room < 0 and (self.tasks or self.unchanged):
            self.omitted += 1
        else:
            found.append(task)

    def _refuse(self, refusal: RefusedTask) -> None:
        reason = ErrorReason.Value(f"ERROR_REASON_{refusal.error.reason}")
        message = pb.TaskRefusal(
            task_id=refusal.task_id[:200], reason=reason, message=refusal.error.message[:500]
        )
        self._room -= message.ByteSize()
        if self._room >= 0 or len(self.refused) < MAX_REFUSALS:
            self.refused.append(message)
