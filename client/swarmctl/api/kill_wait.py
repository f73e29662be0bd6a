"""The wait for the proof of a kill. The rule: whoever keeps it waiting is named, and by when that has an end."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from amplifier_swarm.documents import words
from amplifier_swarm.v1.event_pb2 import Event, EventKind
from amplifier_swarm.v1.operator_service_pb2 import GetTaskRequest, ListWorkersRequest
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.swarm_pb2 import Worker, WorkerStatus
from amplifier_swarm.v1.task_pb2 import DisconnectPolicy, Task, TaskStatus
from swarmctl.api import streams
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.console import say


class KillWait:
    """What is still to be shown of tasks that are being killed."""

    def __init__(self, stub: OperatorServiceStub, tasks: Iterable[Task]) -> None:
        self._stub = stub
        self._holders = {
            task.task_id: task.worker for task in tasks if task.status == TaskStatus.TASK_STATUS_KILLING
        }
        self._told: set[tuple[str, str | None]] = set()

    @property
    def lacking(self) -> list[str]:
        """The tasks whose processes may live."""
        return sorted(self._holders)

    def wait(self, *, after: int, within_s: float | None) -> None:
        """Returns when nothing is lacking, or when it has been long enough; says who is silent meanwhile."""
        if not self._holders:
            return
        self._tell_silent()
        for batch in streams.events(self._stub, after=after, within_s=within_s):
            silent = self._hear(batch)
            if not self._holders:
                return
            if silent:
                self._tell_silent()

    def _hear(self, batch: Sequence[Event]) -> bool:
        """Takes in what has happened; says whether a worker has fallen silent."""
        for event in batch:
            if event.status == TaskStatus.TASK_STATUS_KILLED:
                self._holders.pop(event.task_id, None)
        return any(event.kind == EventKind.EVENT_KIND_WORKER_SUSPECT for event in batch)

    def _tell_silent(self) -> None:
        held = defaultdict(list)
        for task_id, worker in sorted(self._holders.items()):
            held[worker].append(task_id)
        for known in self._stub.ListWorkers(ListWorkersRequest(), timeout=DEADLINE_S).workers:
            silence = known.name, words.iso(known, "last_seen_at")
            if known.status == WorkerStatus.WORKER_STATUS_SUSPECT and silence not in self._told:
                self._told.add(silence)
                for task_id in held[known.name]:
                    say(f"swarmctl: {self._silence(task_id, known)}")

    def _silence(self, task_id: str, worker: Worker) -> str:
        """Who holds the task, since when it is silent, and by when the wait has an end."""
        definition = self._stub.GetTask(GetTaskRequest(task_id=task_id), timeout=DEADLINE_S).definition
        since, by = words.iso(worker, "last_seen_at"), words.iso(worker, "stopped_by")
        silent = f"silent since {since}" if since else "not heard since the server started"
        if definition.on_disconnect == DisconnectPolicy.DISCONNECT_POLICY_KEEP:
            fate = "its processes go on (`on_disconnect: keep`) until that worker is heard again"
        else:
            fate = f"its processes end by themselves by {by}" if by else "its processes end by themselves"
        return f"{task_id} is held by {worker.name}, {silent}; {fate}; waiting on"
