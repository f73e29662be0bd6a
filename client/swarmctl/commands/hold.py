"""`swarmctl hold`."""

from typing import Annotated

import typer

from swarmctl.api import task_actions
from swarmctl.cli.arguments import TaskIds
from swarmctl.cli.changed_tasks import show_changed
from swarmctl.cli.context import CommandContext


def run(
    ctl: CommandContext,
    tasks: TaskIds,
    *,
    cause: Annotated[str, typer.Option(metavar="TEXT", help="Why, for people.")] = "",
) -> None:
    """A held task starts nothing, uses up no retry, and its dependents wait. `unhold` ends it. A task that runs can't
    be held. One that can't be held keeps no other from it.
    """
    result = task_actions.hold(ctl.stub, tasks, cause=cause)
    if (refusal := show_changed(ctl, result, done="held")) is not None:
        raise refusal
