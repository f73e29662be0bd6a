"""The check of a run from which no event comes: may no connected worker take what is ready, or is its runner paused?

Without it, a run that can only wait looks like one that works.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from amplifier_swarm.v1.operator_service_pb2 import ExplainTaskRequest, GetSwarmRequest, ReasonKind
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.task_pb2 import TaskStatus
from swarmctl import text_format
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
# What only a person ends, once no task is under way whose end could free some of a budget.
_PERSON: Final = frozenset({ReasonKind.REASON_KIND_BUDGET})
_UNDER_WAY: Final = [
    TaskStatus.TASK_STATUS_CLAIMED,
    TaskStatus.TASK_STATUS_IN_PROGRESS,
    TaskStatus.TASK_STATUS_KILLING,
]


class IdleCheck:
    """Looks at the ready tasks after each silence of three seconds, and reports each reason once.

    With `wait`, a paused runner never ends the run: somebody may free it.
    """

    def __init__(self, stub: OperatorServiceStub, *, wait: bool = False) -> None:
        self._stub = stub
        self._wait = wait
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
        another worker or for a person who frees its runner, and that has not changed for ten seconds.
        """
        if self.due_s is None or time.monotonic() < self.due_s:
            return ""
        self.due_s = None
        ready = TaskList(self._stub, statuses=[TaskStatus.TASK_STATUS_NOT_STARTED])
        looked_at = ready.first(LOOKED_AT)
        under_way = bool(TaskList(self._stub, statuses=_UNDER_WAY).first(1))
        if looked_at and not under_way:
            # The end of a backoff or of a cool-down brings no event if nothing can start then.
            self.due_s = time.monotonic() + END_AFTER_S
        kinds = self._lasting_kinds() if looked_at else frozenset()
        waiting: dict[str, list[str]] = defaultdict(list)
        for task in looked_at:
            for message in self._lasting_reasons(task.task_id, kinds):
                waiting[message].append(task.task_id)
        lines = {message: _line(message, task_ids) for message, task_ids in waiting.items()}
        for message in lines.keys() - self._reported:
            print_err(f"swarmctl: {lines[message]}")
        self._reported |= lines.keys()
        stuck = bool(lines) and not under_way and self._nothing_else_left(waiting, ready.total, kinds)
        stuck_twice, self._stuck_before = stuck and self._stuck_before, stuck
        return "; ".join(lines.values()) if stuck_twice else ""

    def _lasting_kinds(self) -> frozenset[ReasonKind.ValueType]:
        """Returns the kinds of reasons that do not end by themselves."""
        swarm = self._stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S).swarm
        has_worked = any(c.count for c in swarm.counts if c.status == TaskStatus.TASK_STATUS_COMPLETED)
        # A runner that has worked here before has rather met an outage than a wrong set-up.
        passes = has_worked and all(paused.breaker.HasField("cooldown") for paused in swarm.paused_runners)
        if self._wait:
            return _UNFIT
        return _UNFIT | _PERSON if passes else _UNFIT | _PERSON | {ReasonKind.REASON_KIND_RUNNER_PAUSED}

    def _lasting_reasons(self, task_id: str, kinds: frozenset[ReasonKind.ValueType]) -> Sequence[str]:
        answer = self._stub.ExplainTask(ExplainTaskRequest(task_id=task_id), timeout=DEADLINE_S)
        return [text_format.localized(reason.message) for reason in answer.reasons if reason.kind in kinds]

    def _nothing_else_left(
        self, waiting: Mapping[str, Sequence[str]], ready: int, kinds: frozenset[ReasonKind.ValueType]
    ) -> bool:
        """Returns whether each of the ready tasks waits for one of these reasons."""
        stuck = {task_id for task_ids in waiting.values() for task_id in task_ids}
        if ready <= LOOKED_AT:
            return len(stuck) == ready
        everything = TaskList(self._stub, statuses=[TaskStatus.TASK_STATUS_NOT_STARTED]).first(0)
        return all(task.task_id in stuck or self._lasting_reasons(task.task_id, kinds) for task in everything)


def _line(message: str, task_ids: Sequence[str]) -> str:
    others = len(task_ids) - 1
    who = f"{task_ids[0]} and {others} more wait" if others else f"{task_ids[0]} waits"
    return f"{who}: {message}"
