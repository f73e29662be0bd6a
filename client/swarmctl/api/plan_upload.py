"""The upload of a plan, and the server's faults by line of the file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import grpc

from amplifier_swarm.errors import unpack
from amplifier_swarm.plan.fault_lines import locate
from amplifier_swarm.plan.faults import Fault, PlanRefused
from amplifier_swarm.plan.read import Plan
from amplifier_swarm.v1.budget_pb2 import PlanBudget
from amplifier_swarm.v1.operator_service_pb2 import AddTasksResponse
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm_client.plan_source import messages
from swarmctl.api.timeouts import IMPORT_DEADLINE_S


@dataclass(frozen=True, slots=True)
class ImportReply:
    """The server's answer to a plan."""

    answer: AddTasksResponse
    warnings: Sequence[Fault]
    dry_run: bool


def with_cost_cap(plan: Plan, max_cost: str) -> Plan:
    """Returns the plan with that cap of cost in place of the file's; an empty one changes none."""
    if not max_cost:
        return plan
    budget = PlanBudget(max_cost=max_cost)
    if plan.budget is not None:
        budget = PlanBudget()
        budget.CopyFrom(plan.budget)
        budget.max_cost = max_cost
    return replace(plan, budget=budget)


def send_plan(
    stub: OperatorServiceStub, plan: Plan, *, clear: bool = False, dry_run: bool = False
) -> ImportReply:
    """Adds the tasks, all or none.

    Raises:
        PlanRefused: the server refuses tasks; the error lists its faults by line.
    """
    try:
        requests = messages(plan.tasks, plan=plan, clear=clear, dry_run=dry_run)
        answer = stub.AddTasks(requests, timeout=IMPORT_DEADLINE_S)
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
