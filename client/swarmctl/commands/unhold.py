"""`swarmctl unhold`."""

from swarmctl.api import task_actions
from swarmctl.cli.arguments import TaskIds
from swarmctl.cli.changed_tasks import show_changed
from swarmctl.cli.context import CommandContext


def run(ctl: CommandContext, tasks: TaskIds) -> None:
    """A task that is not held is left alone. A task whose builder asks waits for `answer` instead."""
    result = task_actions.unhold(ctl.stub, tasks)
    if (refusal := show_changed(ctl, result, done="unheld")) is not None:
        raise refusal
