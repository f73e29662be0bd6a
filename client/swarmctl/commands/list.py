"""`swarmctl list`."""

from typing import Annotated

import typer

from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.v1.task_pb2 import TaskStatus
from amplifier_swarm.vocabulary import StatusName
from swarmctl import text_format
from swarmctl.api.paging import TaskList
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.render.tasks import list_blocks


def run(
    ctl: CommandContext,
    *,
    status: Annotated[
        list[StatusName] | None,
        typer.Option(metavar="STATUS", help="Only tasks with this status; repeatable."),
    ] = None,
    phase: Annotated[str, typer.Option(metavar="PHASE", help="Only tasks of this phase.")] = "",
    search: Annotated[
        str, typer.Option(metavar="TEXT", help="Only tasks with this in their id or name.")
    ] = "",
    limit: Annotated[int, typer.Option(min=0, help="At most this many; 0 for all.")] = 1_000,
) -> None:
    statuses = [text_format.value_of(TaskStatus, one) for one in status or ()]
    tasks = TaskList(ctl.reading_stub, statuses=statuses, phase=phase, search=search)
    found = tasks.first(limit)
    ctl.printer.show(found, list_document, list_blocks)
    if len(found) < tasks.total:
        print_err(f"swarmctl: {len(found):,} of {tasks.total:,} tasks; --limit 0 shows all")
