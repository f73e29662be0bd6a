"""`swarmctl retry`."""

from typing import Annotated

import typer

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarmctl import text_format
from swarmctl.api import task_actions
from swarmctl.cli.arguments import OptionalTaskIds
from swarmctl.cli.changed_tasks import show_changed
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err


def run(
    ctl: CommandContext,
    tasks: OptionalTaskIds = None,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="All tasks that have failed.")] = False,
    despite_survivors: Annotated[
        bool,
        typer.Option("--despite-survivors", help="Also if processes of the last attempt could not be ended."),
    ] = False,
) -> None:
    """Failed, killed and skipped tasks get full budgets again; tasks that were skipped because of them wait
    for them again. Attempt numbers go on. A task that waits or runs is left alone. One that can't be retried keeps no
    other from its retry.
    """
    if not tasks and not failed:
        raise ProgramExit(ExitCode.USAGE, "no task given", hint="name tasks, or say --failed")
    result = task_actions.retry(ctl.stub, tasks or (), failed=failed, despite_survivors=despite_survivors)
    refusal = show_changed(ctl, result, done="retried")
    if not result.changed:
        print_err("swarmctl: no task has failed")
    if result.revived:
        print_err(f"swarmctl: {text_format.plural(result.revived, 'skipped task')} revived")
    if refusal is not None:
        raise refusal
