"""Workers whose machine is proven to be gone; swarmd is asked to free their tasks.

Invariant: a Pod that was deleted by force proves nothing. Proof is a Node that the cluster no longer has, or a Pod
whose node has reported the end of each container.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from amplifier_swarm.v1.swarm_pb2 import Worker, WorkerStatus
from swarm_operator.cluster import Document

# The label by which a worker names its Node; the chart sets it.
NODE: Final = "node"

_log = structlog.get_logger("swarm-operator")


class WorkerCalls(Protocol):
    """The calls to swarmd that the search makes."""

    async def workers(self) -> Sequence[Worker]: ...
    async def forget(self, worker: str) -> Sequence[str] | None: ...


class PodCalls(Protocol):
    """The calls to the API server that the search makes."""

    async def pod(self, name: str) -> Document | None: ...
    async def node_exists(self, name: str) -> bool: ...


class GoneWorkers:
    """The search for silent workers that hold tasks; a worker has the name of its Pod."""

    def __init__(self, swarm: WorkerCalls, cluster: PodCalls) -> None:
        self._swarm = swarm
        self._cluster = cluster

    async def free_tasks(self) -> None:
        """Frees the tasks of each worker that is proven to be gone."""
        for worker in await self._swarm.workers():
            if worker.status != WorkerStatus.WORKER_STATUS_SUSPECT or not worker.task_ids:
                continue
            if proof := await self._proof(worker):
                freed = await self._swarm.forget(worker.name)
                if freed is not None:
                    _log.warning(
                        "a worker is gone; its tasks are free", worker=worker.name, why=proof, tasks=freed
                    )

    async def _proof(self, worker: Worker) -> str:
        """Returns why nothing of the worker can run any more; empty if that is not proven."""
        if (node := worker.labels.get(NODE)) and not await self._cluster.node_exists(node):
            return f"the Node {node} was removed"
        pod = await self._cluster.pod(worker.name)
        if pod is not None and is_over(pod):
            return "its Pod has ended"
        return ""


def is_over(pod: Document) -> bool:
    """Returns whether the Pod's node has reported the end of each container."""
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or ()
    ended = bool(containers) and all("terminated" in found.get("state", {}) for found in containers)
    return ended and status.get("phase") in ("Succeeded", "Failed")
