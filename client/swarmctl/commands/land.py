"""`swarmctl land`."""

from swarmctl import text_format
from swarmctl.api import task_actions
from swarmctl.cli.arguments import TaskIds
from swarmctl.cli.changed_tasks import show_changed
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.render.tasks import landing_text


def run(ctl: CommandContext, tasks: TaskIds) -> None:
    """For completed tasks whose work is kept on its ref, as with `land: false`. A worker of the same repository
    combines the work with the target, runs the checks and the landing checks of the task, and moves the target. No
    session starts for that, and nothing is paid. Tasks that depend on it and have not started wait for the landing.

    If the work conflicts with the target, or a check fails on the combination, the task goes on as any other: its
    next attempt is a builder that reconciles both. Three such failures to land use up no retry.

    A task whose work has landed, or is about to, is left alone. `kill` ends a landing, and the work stays kept:
    `land` lands it after all.
    """
    result = task_actions.land(ctl.stub, tasks)
    refusal = show_changed(ctl, result, done="landed")
    for task in result.unchanged:
        print_err(f"swarmctl: {task.task_id} {landing_text(task)}; nothing was changed")
    if result.waiting:
        print_err(
            f"swarmctl: {text_format.plural(result.waiting, 'task')} that had not started: waiting for it"
        )
    if refusal is not None:
        raise refusal
