"""The wait for the proof of an emergency stop, and its receipts by worker.

Invariant: the wait ends. Workers that can't be reached or fall silent are not waited for; the others are
waited for 60 s.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from amplifier_swarm.documents.stops import Reach, StopReceipt, WorkerReceipt
from amplifier_swarm.v1.operator_service_pb2 import (
    EmergencyStopResponse,
    GetTaskRequest,
    GetTaskResponse,
    ListWorkersRequest,
    StoppingWorker,
)
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.swarm_pb2 import Worker
from amplifier_swarm.v1.task_pb2 import DisconnectPolicy, TaskStatus
from amplifier_swarm_client.blocking import waits
from swarmctl import text_format
from swarmctl.api import streams
from swarmctl.api.connection import calls_of
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.console import print_err

# A stop gives no grace. Within half of this a guard reports the survivors, and the server notices a silent
# worker.
WITHIN_S: Final = 60.0


def wait_for_receipts(stub: OperatorServiceStub, answer: EmergencyStopResponse) -> StopReceipt:
    """Waits until all reachable workers have proven that their sessions are gone; returns the receipts."""
    silent = {worker.worker for worker in answer.workers if not worker.reachable}
    if answer.killing:
        _wait(stub, silent, answer)
    listed = {worker.worker: worker for worker in answer.workers}
    tasks = _tasks_by_worker(stub, answer)
    by = {worker.worker: text_format.iso(worker, "stopped_by") for worker in answer.workers}
    if silent:  # some workers fell silent meanwhile
        by |= {
            worker.name: text for worker in _workers(stub) if (text := text_format.iso(worker, "stopped_by"))
        }
    receipts = [_receipt(listed.get(name), name, tasks[name], silent, by.get(name)) for name in sorted(tasks)]
    return StopReceipt(answer, receipts)


def _wait(stub: OperatorServiceStub, silent: set[str], answer: EmergencyStopResponse) -> None:
    """Waits until every task in `killing` is held by a silent worker; keeps `silent` up to date."""
    proven = waits.stopped_tasks(calls_of(stub), answer, silent, within_s=WITHIN_S, on_wait=_report_waiting)
    for _ in streams.with_rpc_errors(proven):
        pass


def _report_waiting(workers: int) -> None:
    print_err(f"swarmctl: waiting until the sessions of {text_format.plural(workers, 'worker')} are gone")


def _tasks_by_worker(
    stub: OperatorServiceStub, answer: EmergencyStopResponse
) -> dict[str, list[GetTaskResponse]]:
    """Returns the tasks that had sessions, in their present state, by the worker that held them."""
    holders = {task_id: worker.worker for worker in answer.workers for task_id in worker.task_ids}
    found: defaultdict[str, list[GetTaskResponse]] = defaultdict(list)
    for task_id in dict.fromkeys((*answer.killing, *holders)):
        task = stub.GetTask(GetTaskRequest(task_id=task_id), timeout=DEADLINE_S)
        # A task whose end was proven at once has no holder any more.
        last = task.attempts[-1].worker if task.attempts else ""
        found[holders.get(task_id, last)].append(task)
    return found


def _receipt(
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
