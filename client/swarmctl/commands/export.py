"""`swarmctl export`."""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from amplifier_swarm.text import printable
from amplifier_swarm.v1.operator_service_pb2 import ExportTasksRequest, PlannedTask
from amplifier_swarm.v1.task_pb2 import TaskStatus
from amplifier_swarm.vocabulary import StatusName
from swarmctl import text_format
from swarmctl.atomic_file import replacing
from swarmctl.cli.arguments import OptionalTargetFile
from swarmctl.cli.context import CommandContext
from swarmctl.plan.source import STDIN
from swarmctl.plan.write import plan_text
from swarmctl.render.printer import write


def run(
    ctl: CommandContext,
    file: OptionalTargetFile = STDIN,
    *,
    status: Annotated[
        list[StatusName] | None,
        typer.Option(metavar="STATUS", help="Only tasks with this status; repeatable."),
    ] = None,
) -> None:
    """Equal tasks give equal bytes, so that two exports can be compared. FILE is replaced as a whole."""
    request = ExportTasksRequest(statuses=[text_format.value_of(TaskStatus, one) for one in status or ()])
    text = "".join(plan_text(_tasks(ctl, request)))
    if file == STDIN:
        # On a terminal control characters are escaped; a pipe gets every character as it is.
        write(printable(text, newlines=True) if sys.stdout.isatty() else text)
        return
    with replacing(file, mode=0o666) as out:
        out.write(text.encode())


def _tasks(ctl: CommandContext, request: ExportTasksRequest) -> Iterator[PlannedTask]:
    for answer in ctl.stub.ExportTasks(request):
        yield from answer.tasks
