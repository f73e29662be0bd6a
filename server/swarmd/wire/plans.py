"""The adding of plans, with its result as a message, shared by gRPC and HTTP."""

from collections.abc import Mapping, Sequence
from functools import partial

from amplifier_swarm.v1 import operator_service_pb2 as pb
from swarmd.domain.definition import PlannedTask
from swarmd.domain.shared_budget import PlannedBudget
from swarmd.engine.swarm import Swarm
from swarmd.engine.tasks import plans


async def add(
    swarm: Swarm,
    plan: Sequence[PlannedTask],
    *,
    clear: bool,
    dry_run: bool,
    concurrency: Mapping[str, int],
    budget: PlannedBudget | None,
) -> pb.AddTasksResponse:
    """Adds the tasks of a plan, all or none; a dry run changes nothing.

    Raises:
        InvalidTasks: The plan has faults.
        TasksActive: With `clear`, or where a running task would change.
    """
    write = partial(
        plans.try_out if dry_run else plans.add,
        plan=plan,
        clear=clear,
        concurrency=concurrency,
        budget=budget,
    )
    try:
        added = await swarm.db.write(write, preemptible=True)
    except plans.DryRunDone as dry:
        added = dry.result
    return pb.AddTasksResponse(
        added=added.added,
        changed=added.changed,
        unchanged=added.unchanged,
        removed=added.removed,
        warnings=[pb.PlanWarning(place=warning.place, message=warning.message) for warning in added.warnings],
    )
