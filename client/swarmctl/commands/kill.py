"""`swarmctl kill`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

import typer

from amplifier_swarm.documents.kills import killed_document
from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1.operator_service_pb2 import (
    GetSwarmRequest,
    GetTaskRequest,
    GetTaskResponse,
)
from amplifier_swarm.v1.task_pb2 import Task
from swarmctl.api import task_actions
from swarmctl.api.kill_wait import KillWait
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskIds
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.render.kills import killed_blocks, survivors, survivors_hint
from swarmctl.render.tasks import changed_blocks


def run(
    ctl: CommandContext,
    tasks: TaskIds,
    *,
    cause: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the log.")] = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the proof.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="S", min=0, max=1e9, help="Wait at most S seconds for the proof."),
    ] = None,
) -> ExitCode:
    """A killed task is never run again unless it is retried. Prints how each process tree was ended, once
    its worker has proven that nothing is left; names workers that are silent. A task that can't be killed keeps no
    other alive.
    """
    before = ctl.stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S).swarm.last_event_seq
    result = task_actions.kill(ctl.stub, tasks, cause=cause)
    task_actions.show_refusals(result)
    refusal = task_actions.refusal_exit(result, done="killed")
    if refusal is not None and not result.changed:
        raise refusal
    if no_wait:
        ctl.printer.show(result.tasks, list_document, changed_blocks)
        return _end(refusal)
    wait = KillWait(ctl.stub, result.tasks)
    if wait.pending:
        print_err(f"swarmctl: waiting until the processes of {', '.join(wait.pending)} are gone")
    wait.wait(after=before, within_s=timeout)
    answers = list(_fetch_tasks(ctl, result.tasks))
    ctl.printer.show(answers, killed_document, killed_blocks)
    _raise_unless_proven(wait, answers)
    return _end(refusal)


def _end(refusal: ProgramExit | None) -> ExitCode:
    if refusal is not None:
        raise refusal
    return ExitCode.OK


def _raise_unless_proven(wait: KillWait, answers: Sequence[GetTaskResponse]) -> None:
    """Raises ProgramExit if a process survived, or if the proof did not arrive in time."""
    left = survivors(answers)
    if left:
        raise ProgramExit(
            ExitCode.NEGATIVE,
            f"processes of {', '.join(left)} still run after the kill",
            hint=survivors_hint(left),
        )
    if wait.pending:
        raise ProgramExit(
            ExitCode.NEGATIVE,
            f"no proof yet that the processes of {', '.join(wait.pending)} are gone",
            hint="the kill stays in force; `swarmctl show TASK` says when it is done",
        )


def _fetch_tasks(ctl: CommandContext, tasks: Iterable[Task]) -> Iterator[GetTaskResponse]:
    for task in tasks:
        yield ctl.stub.GetTask(GetTaskRequest(task_id=task.task_id), timeout=DEADLINE_S)
