"""`swarmctl reject`."""

from typing import Annotated

import typer

from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.v1.operator_service_pb2 import GetTaskRequest, RejectTaskRequest
from swarmctl.api.approvals import approval_of
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.context import CommandContext
from swarmctl.plan.source import STDIN, read_source
from swarmctl.render.tasks import changed_blocks


def run(
    ctl: CommandContext,
    task: TaskId,
    *,
    because: Annotated[
        str, typer.Option(metavar="TEXT", help="Why: the finding that the next builder answers; - is stdin.")
    ],
) -> None:
    """The task goes back to its builder with its work and the reason, and uses up no retry. A task that waits for the
    approval of its start is killed: `retry` asks again.
    """
    found = ctl.stub.GetTask(GetTaskRequest(task_id=task), timeout=DEADLINE_S)
    request = RejectTaskRequest(
        task_id=found.task.task_id,
        hold_id=approval_of(found).hold_id,
        text=read_source(STDIN).text if because == STDIN else because,
    )
    rejected = ctl.stub.RejectTask(request, timeout=DEADLINE_S).task
    ctl.printer.show([rejected], list_document, changed_blocks)
