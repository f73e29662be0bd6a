"""Kills, retries, landings, holds and approvals of any number of tasks, a part in each call.

Invariant: a task that the server refuses keeps no other from the action; the result has all refusals.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import grpc

from amplifier_swarm.errors import unpack
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1.error_reason_pb2 import ErrorReason
from amplifier_swarm.v1.operator_service_pb2 import (
    ApproveTaskResponse,
    HoldTaskRequest,
    HoldTaskResponse,
    KillTaskRequest,
    KillTaskResponse,
    LandWorkRequest,
    LandWorkResponse,
    RetryTaskRequest,
    RetryTaskResponse,
    UnholdTaskRequest,
    UnholdTaskResponse,
)
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.task_pb2 import Task
from swarmctl.api.errors import BY_REASON, OTHER_ERROR
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.console import print_err

# The tasks of one answer then fit into one message.
IDS_PER_CALL: Final = 500
SHOWN_REFUSALS: Final = 20
_Answer: TypeAlias = (
    KillTaskResponse
    | RetryTaskResponse
    | LandWorkResponse
    | HoldTaskResponse
    | UnholdTaskResponse
    | ApproveTaskResponse
)
TASK_REASONS: Final = ("TASK_NOT_FOUND", "TASK_AMBIGUOUS", "INVALID_STATUS", "HOLD_REFUSED")


@dataclass(frozen=True, slots=True)
class RefusedName:
    """A name whose task was left as it is."""

    name: str
    reason: str
    message: str


@dataclass
class ActionResult:
    """The tasks and the refused names of all calls."""

    # The changed tasks, and those that were as asked for already.
    tasks: list[Task] = field(default_factory=list)
    unchanged: list[Task] = field(default_factory=list)
    refused: list[RefusedName] = field(default_factory=list)
    revived: int = 0
    waiting: int = 0
    # The tasks that a retry puts back, since they have built on others: how many, and the first ids.
    dependents: int = 0
    dependent_ids: list[str] = field(default_factory=list)
    # The tasks that were not refused and did not fit into the answer.
    omitted: int = 0

    @property
    def changed(self) -> int:
        """The number of changed tasks."""
        return len(self.tasks) + self.omitted

    @property
    def concerned(self) -> int:
        """The number of tasks that were not refused."""
        return self.changed + len(self.unchanged)


def kill(stub: OperatorServiceStub, names: Sequence[str], *, cause: str) -> ActionResult:
    """Kills the tasks."""
    return in_parts(
        names,
        lambda part: stub.KillTask(KillTaskRequest(task_ids=part, cause=cause), timeout=DEADLINE_S),
    )


def retry(
    stub: OperatorServiceStub, names: Sequence[str], *, failed: bool, asked: RetryTaskRequest | None = None
) -> ActionResult:
    """Retries the tasks, and all failed ones if `failed`, by the terms of `asked`."""

    def request(**fields: Any) -> RetryTaskResponse:
        part = RetryTaskRequest(**fields)
        if asked is not None:
            part.MergeFrom(asked)
        return stub.RetryTask(part, timeout=DEADLINE_S)

    result = in_parts(names, lambda part: request(task_ids=part))
    if failed:
        _add(result, request(failed=True))
    return result


def land(stub: OperatorServiceStub, names: Sequence[str]) -> ActionResult:
    """Orders the landing of the kept work of completed tasks."""
    return in_parts(names, lambda part: stub.LandWork(LandWorkRequest(task_ids=part), timeout=DEADLINE_S))


def hold(stub: OperatorServiceStub, names: Sequence[str], *, cause: str) -> ActionResult:
    """Holds the tasks."""
    return in_parts(
        names,
        lambda part: stub.HoldTask(HoldTaskRequest(task_ids=part, cause=cause), timeout=DEADLINE_S),
    )


def unhold(stub: OperatorServiceStub, names: Sequence[str]) -> ActionResult:
    """Ends the holds of the tasks."""
    return in_parts(names, lambda part: stub.UnholdTask(UnholdTaskRequest(task_ids=part), timeout=DEADLINE_S))


def show_refusals(result: ActionResult) -> None:
    """Prints each refusal on stderr, unless `refusal_exit` says it all in one line."""
    if not result.concerned and len(result.refused) == 1:
        return
    for refusal in result.refused[:SHOWN_REFUSALS]:
        print_err(f"swarmctl: {refusal.message}")
    if len(result.refused) > SHOWN_REFUSALS:
        print_err(f"swarmctl: and {len(result.refused) - SHOWN_REFUSALS} more")


def refusal_exit(result: ActionResult, *, done: str) -> ProgramExit | None:
    """Returns the end of the program if a task was refused; `done` is the participle of the action."""
    if not result.refused:
        return None
    first = result.refused[0]
    meaning = BY_REASON.get(first.reason, OTHER_ERROR)
    if len(result.refused) == 1 and not result.concerned:
        return ProgramExit(meaning.code, first.message, hint="" if "; " in first.message else meaning.hint)
    codes = {BY_REASON.get(refusal.reason, OTHER_ERROR).code for refusal in result.refused}
    count, total = len(result.refused), len(result.refused) + result.concerned
    code = codes.pop() if len(codes) == 1 else ExitCode.NEGATIVE
    if not result.concerned:
        return ProgramExit(code, f"none of {total} tasks could be {done}")
    return ProgramExit(code, f"{count} of {total} tasks could not be {done}; the others are")


def in_parts(names: Sequence[str], call: Callable[[Sequence[str]], _Answer]) -> ActionResult:
    """Calls an action for parts of the names, and returns the result of all calls."""
    result = ActionResult()
    unique = list(dict.fromkeys(names))
    parts = [unique[start : start + IDS_PER_CALL] for start in range(0, len(unique), IDS_PER_CALL)]
    while parts:
        part = parts.pop(0)
        try:
            _add(result, call(part))
        except grpc.RpcError as error:
            wire = unpack(error)
            if wire.reason not in TASK_REASONS:
                raise
            # None of the part was changed: the error names the first refusal only.
            if len(part) == 1:
                result.refused.append(RefusedName(part[0], wire.reason, wire.message))
            else:
                middle = len(part) // 2
                parts[:0] = [part[:middle], part[middle:]]
    return result


def _add(result: ActionResult, answer: _Answer) -> None:
    result.tasks += answer.tasks
    result.omitted += answer.omitted
    if isinstance(answer, RetryTaskResponse):
        result.revived += answer.revived
        result.dependents += answer.dependents
        result.dependent_ids += answer.dependent_ids
    if isinstance(answer, LandWorkResponse):
        result.unchanged += answer.unchanged
        result.waiting += answer.waiting
    for refusal in answer.refused:
        reason = ErrorReason.Name(refusal.reason).removeprefix("ERROR_REASON_")
        result.refused.append(RefusedName(refusal.task_id, reason, refusal.message))
