"""The wait for the proof of kills.

Invariant: every worker that delays the proof is named, with the time at which the wait ends.
"""

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
from swarmctl.console import print_err


class KillWait:
    """The tasks whose kill is not proven yet, and the workers that hold them."""

    def __init__(self, stub: OperatorServiceStub, tasks: Iterable[Task]) -> None:
        self._stub = stub
        self._holders = {
            task.task_id: task.worker for task in tasks if task.status == TaskStatus.TASK_STATUS_KILLING
        }
        self._reported: set[tuple[str, str | None]] = set()

    @property
    def pending(self) -> list[str]:
        """The tasks whose processes may still live."""
        return sorted(self._holders)

    def wait(self, *, after: int, within_s: float | None) -> None:
        """Waits until nothing is pending, or until the time is over; reports silent workers meanwhile."""
        if not self._holders:
            return
        self._report_silent_workers()
        for batch in streams.events(self._stub, after=after, within_s=within_s):
            silent = self._apply_events(batch)
            if not self._holders:
                return
            if silent:
                self._report_silent_workers()

    def _apply_events(self, batch: Sequence[Event]) -> bool:
        """Removes the tasks that are killed; returns whether a worker has fallen silent."""
        for event in batch:
            if event.status == TaskStatus.TASK_STATUS_KILLED:
                self._holders.pop(event.task_id, None)
        return any(event.kind == EventKind.EVENT_KIND_WORKER_SUSPECT for event in batch)

    def _report_silent_workers(self) -> None:
        held = defaultdict(list)
        for task_id, worker in sorted(self._holders.items()):
            held[worker].append(task_id)
        for known in self._stub.ListWorkers(ListWorkersRequest(), timeout=DEADLINE_S).workers:
            silence = known.name, words.iso(known, "last_seen_at")
            if known.status == WorkerStatus.WORKER_STATUS_SUSPECT and silence not in self._reported:
                self._reported.add(silence)
                for task_id in held[known.name]:
                    print_err(f"swarmctl: {self._silence_text(task_id, known)}")

    def _silence_text(self, task_id: str, worker: Worker) -> str:
        """Returns the holder of a task, the start of its silence, and the end of the wait."""
        definition = self._stub.GetTask(GetTaskRequest(task_id=task_id), timeout=DEADLINE_S).definition
        since, by = words.iso(worker, "last_seen_at"), words.iso(worker, "stopped_by")
        silent = f"silent since {since}" if since else "not heard since the server started"
        if definition.on_disconnect == DisconnectPolicy.DISCONNECT_POLICY_KEEP:
            fate = "its processes go on (`on_disconnect: keep`) until that worker is heard again"
        else:
            fate = f"its processes end by themselves by {by}" if by else "its processes end by themselves"
        return f"{task_id} is held by {worker.name}, {silent}; {fate}; waiting on"
