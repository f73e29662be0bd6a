"""What becomes of an emergency stop, worker by worker: the wait for its proof, and the receipts.

The rule: it ends. Who can't be reached, or falls silent, is not waited for; the others for a limited time.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from amplifier_swarm.documents.stops import Reach, StopReceipt, WorkerReceipt
from amplifier_swarm.v1.event_pb2 import EventKind
from amplifier_swarm.v1.operator_service_pb2 import (
    EmergencyStopResponse,
    GetTaskRequest,
    GetTaskResponse,
    ListWorkersRequest,
    StoppingWorker,
)
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.swarm_pb2 import Worker, WorkerStatus
from amplifier_swarm.v1.task_pb2 import DisconnectPolicy, TaskStatus
from swarmctl import text_format
from swarmctl.api import streams
from swarmctl.api.paging import TaskList
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.console import say

# A stop gives no grace; a guard reports what it can't kill after half of this, a silent worker is noticed by
# then too.
WITHIN_S: Final = 60.0
_OUT_OF_REACH: Final = frozenset({WorkerStatus.WORKER_STATUS_SUSPECT, WorkerStatus.WORKER_STATUS_GONE})
_SILENCE: Final = frozenset(
    {EventKind.EVENT_KIND_WORKER_SUSPECT, EventKind.EVENT_KIND_WORKER_LOST, EventKind.EVENT_KIND_WORKER_LEFT}
)


def proven(stub: OperatorServiceStub, answer: EmergencyStopResponse) -> StopReceipt:
    """What is known when all who can be reached have shown that their sessions are gone."""
    silent = {worker.worker for worker in answer.workers if not worker.reachable}
    if answer.killing:
        _wait(stub, silent, after=answer.swarm.last_event_seq)
    listed = {worker.worker: worker for worker in answer.workers}
    tasks = _tasks_by_worker(stub, answer)
    by = {worker.worker: text_format.iso(worker, "stopped_by") for worker in answer.workers}
    if silent:  # some only meanwhile
        by |= {
            worker.name: text for worker in _workers(stub) if (text := text_format.iso(worker, "stopped_by"))
        }
    receipts = [_proven(listed.get(name), name, tasks[name], silent, by.get(name)) for name in sorted(tasks)]
    return StopReceipt(answer, receipts)


def _wait(stub: OperatorServiceStub, silent: set[str], *, after: int) -> None:
    """Returns when every task that is being killed is held by a worker that is silent; keeps `silent` true."""
    killing = TaskList(stub, statuses=[TaskStatus.TASK_STATUS_KILLING]).first(0)
    waited_for = {task.task_id: task.worker for task in killing}
    if waited_for:
        silent |= {worker.name for worker in _workers(stub) if worker.status in _OUT_OF_REACH}
    if set(waited_for.values()) <= silent:
        return
    who = text_format.plural(len(set(waited_for.values()) - silent), "worker")
    say(f"swarmctl: waiting until the sessions of {who} are gone")
    for batch in streams.events(stub, after=after, within_s=WITHIN_S):
        for event in batch:
            if event.status == TaskStatus.TASK_STATUS_KILLED:
                waited_for.pop(event.task_id, None)
            elif event.kind in _SILENCE:
                silent.add(event.worker)
            elif event.kind == EventKind.EVENT_KIND_WORKER_JOINED:
                silent.discard(event.worker)
        if set(waited_for.values()) <= silent:
            return


def _tasks_by_worker(
    stub: OperatorServiceStub, answer: EmergencyStopResponse
) -> dict[str, list[GetTaskResponse]]:
    """The tasks that had sessions, as they are now, by who held them."""
    holders = {task_id: worker.worker for worker in answer.workers for task_id in worker.task_ids}
    found: defaultdict[str, list[GetTaskResponse]] = defaultdict(list)
    for task_id in dict.fromkeys((*answer.killing, *holders)):
        task = stub.GetTask(GetTaskRequest(task_id=task_id), timeout=DEADLINE_S)
        # One that proved the end at once is no longer listed as a holder.
        last = task.attempts[-1].worker if task.attempts else ""
        found[holders.get(task_id, last)].append(task)
    return found


def _proven(
    listed: StoppingWorker | None,
    name: str,
    tasks: Sequence[GetTaskResponse],
    silent: Iterable[str],
    stopped_by: str | None,
) -> WorkerReceipt:
    task_ids = [answer.task.task_id for answer in tasks]
    if all(answer.task.status != TaskStatus.TASK_STATUS_KILLING for answer in tasks):
        return WorkerReceipt(name, Reach.STOPPED, task_ids, None, tasks)
    if name not in silent:
        return WorkerReceipt(name, Reach.LATE, task_ids, None, tasks)
    keeps = any(
        answer.definition.on_disconnect == DisconnectPolicy.DISCONNECT_POLICY_KEEP for answer in tasks
    )
    reach = Reach.SILENT if listed is None or listed.reachable else Reach.UNREACHABLE
    return WorkerReceipt(name, reach, task_ids, None if keeps else stopped_by, tasks, keeps)


def _workers(stub: OperatorServiceStub) -> Sequence[Worker]:
    return stub.ListWorkers(ListWorkersRequest(), timeout=DEADLINE_S).workers
