"""`swarmctl budget`."""

from typing import Annotated

import typer

from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.v1.operator_service_pb2 import GetTaskRequest, RaiseBudgetRequest
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.context import CommandContext
from swarmctl.render.budget import budget_blocks


def run(
    ctl: CommandContext,
    task: TaskId,
    add: Annotated[str, typer.Option("--add", metavar="DOLLARS", help="Add to its cap of cost.")] = "",
    add_tokens: Annotated[
        int, typer.Option("--add-tokens", metavar="N", min=0, help="Add to its cap of tokens.")
    ] = 0,
) -> None:
    """A task that is held for its budget goes on in the same workspace when its cap leaves something to spend."""
    if add or add_tokens:
        request = RaiseBudgetRequest(task_id=task, add_cost=add, add_tokens=add_tokens)
        found = ctl.stub.RaiseBudget(request, timeout=DEADLINE_S).task
    else:
        found = ctl.stub.GetTask(GetTaskRequest(task_id=task), timeout=DEADLINE_S).task
    ctl.printer.show([found], list_document, budget_blocks)
