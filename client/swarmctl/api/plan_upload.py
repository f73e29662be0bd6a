"""The upload of a plan, and the server's faults by line of the file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import grpc

from amplifier_swarm.errors import unpack
from amplifier_swarm.plan.fault_lines import locate
from amplifier_swarm.plan.faults import Fault, PlanRefused
from amplifier_swarm.plan.read import Plan
from amplifier_swarm.v1.operator_service_pb2 import AddTasksRequest, AddTasksResponse
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from swarmctl.api.timeouts import IMPORT_DEADLINE_S

# Small enough for any buffer on the way, large enough that ten thousand tasks are a dozen messages.
MESSAGE_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class ImportReply:
    """The server's answer to a plan."""

    answer: AddTasksResponse
    warnings: Sequence[Fault]
    dry_run: bool


def send_plan(
    stub: OperatorServiceStub, plan: Plan, *, clear: bool = False, dry_run: bool = False
) -> ImportReply:
    """Adds the tasks, all or none.

    Raises:
        PlanRefused: the server refuses tasks; the error lists its faults by line.
    """
    try:
        answer = stub.AddTasks(_messages(plan, clear=clear, dry_run=dry_run), timeout=IMPORT_DEADLINE_S)
    except grpc.RpcError as error:
        wire = unpack(error)
        faults = [locate(plan, v.place, v.message) for v in wire.violations]
        if not faults:
            raise
        count = wire.metadata.get("count", "")
        more = max(0, int(count) - len(faults)) if count.isdecimal() else 0
        raise PlanRefused(plan.file, faults, more=more) from error
    warnings = [locate(plan, w.place, w.message) for w in answer.warnings]
    return ImportReply(answer, warnings, dry_run)


def _messages(plan: Plan, *, clear: bool, dry_run: bool) -> Iterator[AddTasksRequest]:
    request, size = AddTasksRequest(clear=clear, dry_run=dry_run, concurrency=plan.concurrency), 0
    for task in plan.tasks:
        weight = task.ByteSize()
        if size and size + weight > MESSAGE_BYTES:
            yield request
            request, size = AddTasksRequest(), 0
        request.tasks.append(task)
        size += weight
    yield request
