"""The check of a run from which no event comes: is there a ready task that no connected worker may take?

Without it, a run that can only wait looks like one that works.
"""

import time
from collections import defaultdict
from typing import Final

from amplifier_swarm.v1.operator_service_pb2 import ExplainTaskRequest, ReasonKind
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.task_pb2 import TaskStatus
from swarmctl.api.paging import TaskList
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.console import print_err

# Workers join within seconds; a ready task that still waits then has another reason.
IDLE_S: Final = 10.0
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


class IdleCheck:
    """Looks at the ready tasks after each silence of ten seconds, and reports each reason once."""

    def __init__(self, stub: OperatorServiceStub) -> None:
        self._stub = stub
        self._reported: set[str] = set()
        # Of the next look, on the monotonic clock; None until the next event.
        self.due_s: float | None = time.monotonic() + IDLE_S

    def on_events(self) -> None:
        """Begins a new silence."""
        self.due_s = time.monotonic() + IDLE_S

    def report_if_due(self) -> None:
        """Writes a line for each new reason, if it is time."""
        if self.due_s is None or time.monotonic() < self.due_s:
            return
        self.due_s = None
        waiting: dict[str, list[str]] = defaultdict(list)
        for task in TaskList(self._stub, statuses=[TaskStatus.TASK_STATUS_NOT_STARTED]).first(LOOKED_AT):
            request = ExplainTaskRequest(task_id=task.task_id)
            for reason in self._stub.ExplainTask(request, timeout=DEADLINE_S).reasons:
                if reason.kind in _UNFIT:
                    waiting[reason.message].append(task.task_id)
        for message, task_ids in waiting.items():
            if message not in self._reported:
                self._reported.add(message)
                others = len(task_ids) - 1
                who = f"{task_ids[0]} and {others} more wait" if others else f"{task_ids[0]} waits"
                print_err(f"swarmctl: {who}: {message}")
