"""The actions of operators, with their results as messages, shared by gRPC and HTTP.

Kills and stops build their result inside the write transaction, so that no long read of others delays them.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import swarm_pb2, task_pb2
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import WorkerName
from swarmd.engine.attempts.kills import EmergencyStopResult
from swarmd.engine.reports import overview
from swarmd.engine.swarm import Swarm
from swarmd.engine.tasks import retries
from swarmd.store.transaction import Tx
from swarmd.wire import views
from swarmd.wire.reads import Reads, tasks_by_id

MAX_CAUSE: Final = 500
# A year.
MAX_DEADLINE_S: Final = 31_536_000


class Actions:
    """The actions on one swarm."""

    def __init__(self, swarm: Swarm, reads: Reads) -> None:
        self._swarm = swarm
        self._reads = reads

    async def kill(self, task_ids: Sequence[str], cause: str) -> list[task_pb2.Task]:
        """Kills tasks; returns them as they are after the order."""
        checked = _checked_cause(cause)

        def kill(tx: Tx) -> list[task_pb2.Task]:
            return tasks_by_id(tx, self._swarm.kills.kill(tx, task_ids, checked))

        return await self._swarm.db.write(kill, urgent=True)

    async def retry(self, task_ids: Sequence[str], *, failed: bool) -> pb.RetryTaskResponse:
        """Retries the named tasks, or all failed tasks."""
        retried = await self._swarm.db.write(partial(retries.retry, task_ids=task_ids, failed=failed))
        return pb.RetryTaskResponse(tasks=await self._reads.tasks(retried.task_ids), revived=retried.revived)

    async def pause(self, cause: str) -> swarm_pb2.Swarm:
        """Pauses the swarm: no task is claimed until a resume."""
        await self._swarm.db.write(partial(self._swarm.kills.pause, cause=_checked_cause(cause)))
        return await self._reads.swarm()

    async def stop(self, cause: str) -> pb.EmergencyStopResponse:
        """Stops everything until a resume; the response lists the workers to wait for."""
        checked = _checked_cause(cause)

        def stop(tx: Tx) -> tuple[EmergencyStopResult, swarm_pb2.Swarm]:
            return self._swarm.kills.emergency_stop(tx, checked), self._reads.swarm_in(tx)

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


def _checked_cause(cause: str) -> str:
    if len(cause) > MAX_CAUSE:
        raise InvalidRequest("cause", f"has {len(cause)} characters; at most {MAX_CAUSE}")
    return cause
