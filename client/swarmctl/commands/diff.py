"""`swarmctl diff`."""

import sys
from typing import Annotated

import typer

from amplifier_swarm.documents.changes import diff_document
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.text import printable
from amplifier_swarm.v1.operator_service_pb2 import DiffTaskRequest
from amplifier_swarm.v1.task_pb2 import Change
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.context import CommandContext
from swarmctl.render.changes import diff_blocks, diff_command, stat_blocks
from swarmctl.render.printer import write_exact


def run(
    ctl: CommandContext,
    task: TaskId,
    *,
    attempt: Annotated[
        int,
        typer.Option(min=0, max=2**31 - 1, metavar="N", help="This attempt; 0 is the latest with a change."),
    ] = 0,
    stat: Annotated[bool, typer.Option("--stat", help="Only the files, without the patch.")] = False,
    patch: Annotated[
        bool, typer.Option("--patch", help="Only the patch, as `git apply` reads it; wins over -o.")
    ] = False,
) -> None:
    """Only tasks that worked in a clone have a change; see docs/workspaces.md."""
    if stat and patch:
        raise ProgramExit(ExitCode.USAGE, "--stat and --patch exclude each other", hint="pass one of them")
    answer = ctl.reading_stub.DiffTask(DiffTaskRequest(task_id=task, attempt=attempt), timeout=DEADLINE_S)
    if patch:
        text = _patch(answer.change)
        # On a terminal control characters are escaped; a pipe gets every character as it is.
        write_exact(printable(text, newlines=True) if sys.stdout.isatty() else text)
        return
    ctl.printer.show(answer, diff_document, stat_blocks if stat else diff_blocks)


def _patch(change: Change) -> str:
    if change.file_count and not change.patch:
        hint = f"in the repository: {diff_command(change)}"
        raise ProgramExit(ExitCode.NEGATIVE, "the patch is too long to be stored", hint=hint)
    return change.patch
