"""The answer to an action on many tasks, for people: what was changed, and what was refused."""

from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.exits import ProgramExit
from swarmctl import text_format
from swarmctl.api import task_actions
from swarmctl.api.task_actions import ActionResult
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.render.tasks import changed_blocks


def show_changed(ctl: CommandContext, result: ActionResult, *, done: str) -> ProgramExit | None:
    """Shows the tasks, and on stderr the refusals; `done` is the participle of the action.

    Returns the exit of the command if a task was refused, to be raised when all is shown.

    Raises:
        ProgramExit: the action concerns no task, and one was refused.
    """
    task_actions.show_refusals(result)
    refusal = task_actions.refusal_exit(result, done=done)
    if refusal is not None and not result.concerned:
        raise refusal
    ctl.printer.show([*result.tasks, *result.unchanged], list_document, changed_blocks)
    if result.omitted:
        more = text_format.plural(result.omitted, "more task")
        print_err(f"swarmctl: and {more}; see `swarmctl list`")
    return refusal
