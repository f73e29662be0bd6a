"""`swarmctl retry`."""

from typing import Annotated

import typer

from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1.operator_service_pb2 import RetryTaskRequest
from swarmctl import text_format
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import OptionalTaskIds
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.render.tasks import changed_blocks


def run(
    ctl: CommandContext,
    tasks: OptionalTaskIds = None,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="All tasks that have failed.")] = False,
) -> None:
    """Failed, killed and skipped tasks get full budgets again; tasks that were skipped because of them wait
    for them again. Attempt numbers go on. A task that waits or runs is left alone.
    """
    if not tasks and not failed:
        raise ProgramExit(ExitCode.USAGE, "no task given", hint="name tasks, or say --failed")
    answer = ctl.stub.RetryTask(RetryTaskRequest(task_ids=tasks, failed=failed), timeout=DEADLINE_S)
    ctl.printer.show(answer.tasks, list_document, changed_blocks)
    if not answer.tasks:
        print_err("swarmctl: no task has failed")
    if answer.revived:
        print_err(f"swarmctl: {text_format.plural(answer.revived, 'skipped task')} revived")
