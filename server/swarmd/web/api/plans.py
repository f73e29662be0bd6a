"""The route that adds the tasks of a plan."""

import asyncio
from collections.abc import Sequence
from typing import Final

from amplifier_swarm.documents import Document
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.plan.fault_lines import locate
from amplifier_swarm.plan.faults import Fault, PlanRefused
from amplifier_swarm.plan.read import Plan, plan_of
from amplifier_swarm.plan.source import Source
from swarmd.domain.errors import FieldFault, InvalidTasks
from swarmd.web.http.params import Param, switch
from swarmd.web.http.route import ApiRequest, AppState
from swarmd.wire import budgets, definitions, plans

DRY_RUN: Final[Param[bool]] = switch("dry_run", "Checks everything and changes nothing.")
# As many faults as gRPC sends.
SHOWN_FAULTS: Final = 20
_FILE: Final = "body"


async def add(state: AppState, request: ApiRequest) -> Document:
    """Adds the tasks of a plan, all or none."""
    assert request.principal is not None
    caller, key, dry_run = request.principal.token.token_id, request.idempotency_key, request.get(DRY_RUN)
    said = f"{dry_run} {request.task_file}"
    if (kept := state.kept_answers.find(caller, key, said)) is not None:
        return kept
    # A thread parses, since a long plan takes seconds.
    plan = await asyncio.to_thread(_parsed, request.task_file)
    tasks = [definitions.read_planned(task) for task in plan.tasks]
    try:
        added = await plans.add(
            state.swarm,
            tasks,
            clear=False,
            dry_run=dry_run,
            concurrency=plan.concurrency,
            budget=None if plan.budget is None else budgets.read_planned(plan.budget),
        )
    except InvalidTasks as error:
        faults = [locate(plan, fault.place, fault.message) for fault in error.faults]
        raise _refused(faults) from error
    warnings = [*plan.warnings, *(locate(plan, found.place, found.message) for found in added.warnings)]
    answer = {
        "added": added.added,
        "changed": added.changed,
        "unchanged": added.unchanged,
        "dry_run": dry_run,
        "warnings": [{"place": found.place, "message": found.message} for found in _located(warnings)],
    }
    state.kept_answers.keep(caller, key, said, answer)
    return answer


def _parsed(text: str) -> Plan:
    try:
        return plan_of(Source(_FILE, text))
    except PlanRefused as error:
        raise _refused(error.faults) from error
    except ProgramExit as error:
        raise _refused([Fault(0, "", "", error.message)]) from error


def _refused(faults: Sequence[Fault]) -> InvalidTasks:
    return InvalidTasks(_located(faults)[:SHOWN_FAULTS], total=len(faults))


def _located(faults: Sequence[Fault]) -> list[FieldFault]:
    """Returns the faults with their places: the lines of the body, where they are known."""
    return [
        FieldFault(f"line {fault.line}" if fault.line else _FILE, fault.text(_FILE).partition(": ")[2])
        for fault in faults
    ]
