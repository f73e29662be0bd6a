"""`swarmctl reject`."""

from typing import Annotated

import typer

from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.plan.source import STDIN, read_source
from amplifier_swarm.v1.operator_service_pb2 import GetTaskRequest, RejectTaskRequest, RejectTaskResponse
from amplifier_swarm.v1.task_pb2 import TaskStatus
from swarmctl.api.approvals import approval_of
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.render.retries import put_back_text
from swarmctl.render.tasks import changed_blocks


def run(
    ctl: CommandContext,
    task: TaskId,
    *,
    because: Annotated[
        str, typer.Option(metavar="TEXT", help="Why: the finding that the next builder answers; - is stdin.")
    ],
    with_dependents: Annotated[
        bool, typer.Option("--with-dependents", help="Put back too what has built on a completed task.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what has built on a completed task.")
    ] = False,
) -> None:
    """A task that waits for an approval goes back to its builder with its work and the reason, and uses up no retry. If
    it waits for the approval of its start, it is killed: `retry` asks again.

    A completed task is opened again. Its work stays where it is, and the next attempt builds on it. If other tasks have
    built on it, say --with-dependents.
    """
    found = ctl.stub.GetTask(GetTaskRequest(task_id=task), timeout=DEADLINE_S)
    completed = found.task.status == TaskStatus.TASK_STATUS_COMPLETED
    hold_id = "" if completed else approval_of(found).hold_id
    if hold_id and (with_dependents or dry_run):
        raise ProgramExit(
            ExitCode.USAGE, "only of a completed task dependents are put back", hint="leave the option out"
        )
    request = RejectTaskRequest(
        task_id=found.task.task_id,
        hold_id=hold_id,
        text=read_source(STDIN).text if because == STDIN else because,
        with_dependents=with_dependents,
        dry_run=dry_run,
    )
    answer = ctl.stub.RejectTask(request, timeout=DEADLINE_S)
    ctl.printer.show([answer.task], list_document, changed_blocks)
    if answer.dependents or dry_run:
        print_err(f"swarmctl: {_dependents_text(answer, dry_run=dry_run)}")


def _dependents_text(answer: RejectTaskResponse, *, dry_run: bool) -> str:
    if not answer.dependents:
        return "no task has built on it; nothing was changed"
    said = put_back_text(answer.dependent_ids, total=answer.dependents, dry_run=dry_run)
    return f"{said}; nothing was changed" if dry_run else said
