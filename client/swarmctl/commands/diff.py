"""`swarmctl diff`."""

from typing import Annotated

import typer

from amplifier_swarm.documents.changes import diff_document
from amplifier_swarm.v1.operator_service_pb2 import DiffTaskRequest
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.context import CommandContext
from swarmctl.render.changes import diff_blocks


def run(
    ctl: CommandContext,
    task: TaskId,
    *,
    attempt: Annotated[
        int,
        typer.Option(min=0, max=2**31 - 1, metavar="N", help="This attempt; 0 is the latest with a change."),
    ] = 0,
) -> None:
    """Only tasks that worked in a clone have a change; see docs/workspaces.md."""
    answer = ctl.stub.DiffTask(DiffTaskRequest(task_id=task, attempt=attempt), timeout=DEADLINE_S)
    ctl.printer.show(answer, diff_document, diff_blocks)
