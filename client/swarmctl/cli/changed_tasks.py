"""The answer to an action on many tasks, for people: what was changed, and what was refused."""

from amplifier_swarm.documents.tasks import list_document
from swarmctl import text_format
from swarmctl.api import task_actions
from swarmctl.api.task_actions import ActionResult
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.render.tasks import changed_blocks


def show_changed(ctl: CommandContext, result: ActionResult, *, done: str) -> None:
    """Shows the changed tasks, and on stderr the refusals; `done` is the participle of the action.

    Raises:
        ProgramExit: no task was changed, and one was refused.
    """
    task_actions.show_refusals(result)
    if not result.changed and (refusal := task_actions.refusal_exit(result, done=done)) is not None:
        raise refusal
    ctl.printer.show(result.tasks, list_document, changed_blocks)
    if result.omitted:
        more = text_format.plural(result.omitted, "more task")
        print_err(f"swarmctl: and {more} {done}; see `swarmctl list`")
