"""`swarmctl note`."""

from typing import Annotated

import typer

from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.plan.source import STDIN, read_source
from amplifier_swarm.v1.operator_service_pb2 import NoteTaskRequest
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.context import CommandContext
from swarmctl.render.tasks import changed_blocks


def run(
    ctl: CommandContext,
    task: TaskId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The note; - is stdin.")],
) -> None:
    """Every later attempt of the task finds the note at the head of its prompt. A session that runs does not see it."""
    content = read_source(STDIN).text if text == STDIN else text
    noted = ctl.stub.NoteTask(NoteTaskRequest(task_id=task, text=content), timeout=DEADLINE_S).task
    ctl.printer.show([noted], list_document, changed_blocks)
