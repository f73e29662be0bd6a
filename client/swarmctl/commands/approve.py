"""`swarmctl approve`."""

from typing import Annotated

import typer

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarmctl.api.approvals import approve, approve_phase
from swarmctl.cli.arguments import OptionalTaskIds
from swarmctl.cli.changed_tasks import show_changed
from swarmctl.cli.context import CommandContext


def run(
    ctl: CommandContext,
    tasks: OptionalTaskIds = None,
    *,
    phase: Annotated[
        str, typer.Option(metavar="P", help="All tasks of this phase that wait for an approval.")
    ] = "",
) -> None:
    """A task with `approve:` waits before its start, before its work lands, or after. `inbox` lists what waits, `show`
    and `diff` show the work. What is approved is what waits now, and never the work of a later attempt. If somebody was
    faster, that person is named. `reject` is the other answer.
    """
    if bool(tasks) == bool(phase):
        raise ProgramExit(ExitCode.USAGE, "say what to approve", hint="name TASK…, or say --phase P")
    result = approve_phase(ctl.stub, phase) if phase else approve(ctl.stub, tasks or ())
    if not result.concerned and not result.refused:
        raise ProgramExit(ExitCode.CONFLICT, f"no task of phase {phase!r} waits for an approval")
    if (refusal := show_changed(ctl, result, done="approved")) is not None:
        raise refusal
