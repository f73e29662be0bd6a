"""`swarmctl accept`."""

from typing import Annotated

import typer

from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.v1.operator_service_pb2 import AcceptResultRequest
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.context import CommandContext
from swarmctl.render.tasks import changed_blocks


def run(
    ctl: CommandContext,
    task: TaskId,
    *,
    attempt: Annotated[
        int, typer.Option(min=1, max=2**31 - 1, metavar="N", help="The attempt whose result is to count.")
    ],
) -> None:
    """A result is late when its task was killed or given to another worker meanwhile; `show` lists the late
    results that were kept. The task is completed with the result, and its dependents go on.
    """
    request = AcceptResultRequest(task_id=task, attempt=attempt)
    accepted = ctl.stub.AcceptResult(request, timeout=DEADLINE_S).task
    ctl.printer.show([accepted], list_document, changed_blocks)
