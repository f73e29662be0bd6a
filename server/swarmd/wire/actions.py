"""What operators do, answered with what has become of it: the same for every way in which they ask.

What ends sessions is answered from inside its write: it must not wait for somebody's long read.
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
from swarmd.wire.reads import Reads, named

MAX_CAUSE: Final = 500
# A year: longer than anything that is waited for.
MAX_DEADLINE_S: Final = 31_536_000


class Actions:
    """Acts on one swarm."""

    def __init__(self, swarm: Swarm, looks: Reads) -> None:
        self._swarm = swarm
        self._looks = looks

    async def kill(self, task_ids: Sequence[str], cause: str) -> list[task_pb2.Task]:
        """Ends tasks for good."""
        checked = _checked(cause)

        def kill(tx: Tx) -> list[task_pb2.Task]:
            return named(tx, self._swarm.kills.kill(tx, task_ids, checked))

        return await self._swarm.db.write(kill, urgent=True)

    async def retry(self, task_ids: Sequence[str], *, failed: bool) -> pb.RetryTaskResponse:
        """Gives ended tasks a new start."""
        retried = await self._swarm.db.write(partial(retries.retry, task_ids=task_ids, failed=failed))
        return pb.RetryTaskResponse(tasks=await self._looks.tasks(retried.task_ids), revived=retried.revived)

    async def pause(self, cause: str) -> swarm_pb2.Swarm:
        """Gives no claims from now on."""
        await self._swarm.db.write(partial(self._swarm.kills.pause, cause=_checked(cause)))
        return await self._looks.swarm()

    async def stop(self, cause: str) -> pb.EmergencyStopResponse:
        """Stops everything."""
        checked = _checked(cause)

        def stop(tx: Tx) -> tuple[EmergencyStopResult, swarm_pb2.Swarm]:
            return self._swarm.kills.emergency_stop(tx, checked), self._looks.swarm_in(tx)

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
        """Ends every pause and stop."""
        requeued = await self._swarm.resume(requeue=requeue)
        return pb.ResumeSwarmResponse(swarm=await self._looks.swarm(), requeued=requeued)

    async def drain(self, worker: str | None, deadline_s: float | None) -> list[swarm_pb2.Worker]:
        """Tells one worker, or all that are connected, to finish and to exit."""
        if deadline_s is not None and not 0 <= deadline_s <= MAX_DEADLINE_S:
            raise InvalidRequest("deadline", f"must be between 0 and {MAX_DEADLINE_S} seconds")
        drained = await self._swarm.drain(None if worker is None else WorkerName(worker), deadline_s)
        return [found for found in await self._looks.workers() if found.name in drained]


def _checked(cause: str) -> str:
    if len(cause) > MAX_CAUSE:
        raise InvalidRequest("cause", f"has {len(cause)} characters; at most {MAX_CAUSE}")
    return cause
