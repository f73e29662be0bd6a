"""The check of a run from which no event comes: is there a ready task that no connected worker may take?

Without it, a run that can only wait looks like one that works.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from amplifier_swarm.v1.operator_service_pb2 import ExplainTaskRequest, ReasonKind
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.task_pb2 import TaskStatus
from swarmctl.api.paging import TaskList
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.console import print_err

# Workers join within seconds; a ready task that still waits then has another reason.
IDLE_S: Final = 3.0
# From the report to the end of a run in which nothing else is left: a worker may still join.
END_AFTER_S: Final = 10.0
# The number of ready tasks that are looked at: each costs a call.
LOOKED_AT: Final = 20
# The reasons that no event and no time ends, only another worker.
_UNFIT: Final = frozenset(
    {
        ReasonKind.REASON_KIND_NO_LABEL,
        ReasonKind.REASON_KIND_NO_CLONE,
        ReasonKind.REASON_KIND_NOT_ENFORCED,
    }
)


_UNDER_WAY: Final = [
    TaskStatus.TASK_STATUS_CLAIMED,
    TaskStatus.TASK_STATUS_IN_PROGRESS,
    TaskStatus.TASK_STATUS_KILLING,
]


class IdleCheck:
    """Looks at the ready tasks after each silence of three seconds, and reports each reason once."""

    def __init__(self, stub: OperatorServiceStub) -> None:
        self._stub = stub
        self._reported: set[str] = set()
        self._stuck_before = False
        # Of the next look, on the monotonic clock; None until the next event.
        self.due_s: float | None = time.monotonic() + IDLE_S

    def on_events(self) -> None:
        """Begins a new silence."""
        self._stuck_before = False
        self.due_s = time.monotonic() + IDLE_S

    def stuck_after_report(self) -> str:
        """Writes a line for each new reason, if it is time for a look.

        Returns the reason for which the run can only end: empty unless no task is under way, each ready task waits for
        another worker, and none has come for ten seconds.
        """
        if self.due_s is None or time.monotonic() < self.due_s:
            return ""
        self.due_s = None
        ready = TaskList(self._stub, statuses=[TaskStatus.TASK_STATUS_NOT_STARTED])
        waiting: dict[str, list[str]] = defaultdict(list)
        looked_at = ready.first(LOOKED_AT)
        for task in looked_at:
            for message in self._unfit_reasons(task.task_id):
                waiting[message].append(task.task_id)
        lines = {message: _line(message, task_ids) for message, task_ids in waiting.items()}
        for message in lines.keys() - self._reported:
            print_err(f"swarmctl: {lines[message]}")
        self._reported |= lines.keys()
        if not lines or not self._nothing_else_left(waiting, ready.total):
            return ""
        if self._stuck_before:
            return "; ".join(lines.values())
        self._stuck_before = True
        self.due_s = time.monotonic() + END_AFTER_S
        return ""

    def _unfit_reasons(self, task_id: str) -> Sequence[str]:
        answer = self._stub.ExplainTask(ExplainTaskRequest(task_id=task_id), timeout=DEADLINE_S)
        return [reason.message for reason in answer.reasons if reason.kind in _UNFIT]

    def _nothing_else_left(self, waiting: Mapping[str, Sequence[str]], ready: int) -> bool:
        """Returns whether no task is under way, and each of the ready ones waits for another worker."""
        if TaskList(self._stub, statuses=_UNDER_WAY).first(1):
            return False
        unfit = {task_id for task_ids in waiting.values() for task_id in task_ids}
        if ready <= LOOKED_AT:
            return len(unfit) == ready
        everything = TaskList(self._stub, statuses=[TaskStatus.TASK_STATUS_NOT_STARTED]).first(0)
        return all(task.task_id in unfit or self._unfit_reasons(task.task_id) for task in everything)


def _line(message: str, task_ids: Sequence[str]) -> str:
    others = len(task_ids) - 1
    who = f"{task_ids[0]} and {others} more wait" if others else f"{task_ids[0]} waits"
    return f"{who}: {message}"
