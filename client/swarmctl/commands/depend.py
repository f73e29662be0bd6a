"""`swarmctl depend`."""

from typing import Annotated

import typer

from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.v1.operator_service_pb2 import AddDependencyRequest, RemoveDependencyRequest
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.completion import complete_task_ids
from swarmctl.cli.context import CommandContext
from swarmctl.render.tasks import changed_blocks


def run(
    ctl: CommandContext,
    task: TaskId,
    *,
    on: Annotated[
        str,
        typer.Option("--on", metavar="OTHER", help="The task to wait for.", autocompletion=complete_task_ids),
    ],
    remove: Annotated[bool, typer.Option("--remove", help="Wait for it no longer.")] = False,
) -> None:
    """Works only for tasks that have not begun. Repeating the command changes nothing."""
    if remove:
        request = RemoveDependencyRequest(task_id=task, dependency=on)
        changed = ctl.stub.RemoveDependency(request, timeout=DEADLINE_S).task
    else:
        addition = AddDependencyRequest(task_id=task, dependency=on)
        changed = ctl.stub.AddDependency(addition, timeout=DEADLINE_S).task
    ctl.printer.show([changed], list_document, changed_blocks)
