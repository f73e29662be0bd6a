"""The approvals that tasks wait for, and the approving of them."""

from collections.abc import Sequence

import grpc

from amplifier_swarm.errors import unpack
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1.hold_pb2 import Hold, HoldKind
from amplifier_swarm.v1.operator_service_pb2 import (
    ApproveTaskRequest,
    GetTaskRequest,
    GetTaskResponse,
    TaskApproval,
)
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.task_pb2 import TaskStatus
from swarmctl.api.paging import TaskList
from swarmctl.api.task_actions import TASK_REASONS, ActionResult, RefusedName, in_parts
from swarmctl.api.timeouts import DEADLINE_S


def approve(stub: OperatorServiceStub, names: Sequence[str]) -> ActionResult:
    """Approves what the tasks wait for now; names that wait for nothing are refused alone."""
    approvals: dict[str, TaskApproval] = {}
    refused: list[RefusedName] = []
    for name in dict.fromkeys(names):
        try:
            found = stub.GetTask(GetTaskRequest(task_id=name), timeout=DEADLINE_S)
        except grpc.RpcError as error:
            wire = unpack(error)
            if wire.reason not in TASK_REASONS:
                raise
            refused.append(RefusedName(name, wire.reason, wire.message))
            continue
        if (asked := asked_approval(found)) is None:
            refused.append(RefusedName(name, "HOLD_REFUSED", _waits_for_none(found)))
        else:
            task_id = found.task.task_id
            approvals[task_id] = TaskApproval(task_id=task_id, hold_id=asked.hold_id)
    result = _send(stub, approvals)
    result.refused[:0] = refused
    return result


def approve_phase(stub: OperatorServiceStub, phase: str) -> ActionResult:
    """Approves what the tasks of that phase wait for now."""
    held = TaskList(stub, statuses=[TaskStatus.TASK_STATUS_HELD], phase=phase).first(0)
    approvals = {
        task.task_id: TaskApproval(task_id=task.task_id, hold_id=task.hold.hold_id)
        for task in held
        if task.hold.kind == HoldKind.HOLD_KIND_APPROVAL
    }
    return _send(stub, approvals)


def approval_of(found: GetTaskResponse) -> Hold:
    """Returns the approval that the task waits for, or has waited for last: the server then says who settled it.

    Raises:
        ProgramExit: the task has never waited for one.
    """
    if (asked := asked_approval(found)) is None:
        hint = f"`swarmctl explain {found.task.task_id}` says where it is"
        raise ProgramExit(ExitCode.CONFLICT, _waits_for_none(found), hint=hint)
    return asked


def asked_approval(found: GetTaskResponse) -> Hold | None:
    """Returns the last approval that the task has waited for; None if it never has."""
    asked = [hold for hold in found.holds if hold.kind == HoldKind.HOLD_KIND_APPROVAL]
    return asked[-1] if asked else None


def _send(stub: OperatorServiceStub, approvals: dict[str, TaskApproval]) -> ActionResult:
    return in_parts(
        list(approvals),
        lambda part: stub.ApproveTask(
            ApproveTaskRequest(approvals=[approvals[name] for name in part]), timeout=DEADLINE_S
        ),
    )


def _waits_for_none(found: GetTaskResponse) -> str:
    return f"task {found.task.task_id!r} waits for no approval"
