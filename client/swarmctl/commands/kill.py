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
    KillTaskRequest,
)
from amplifier_swarm.v1.task_pb2 import Task
from swarmctl.api.kill_wait import KillWait
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskIds
from swarmctl.cli.context import CommandContext
from swarmctl.console import say
from swarmctl.render.kills import killed_blocks, survivors
from swarmctl.render.tasks import changed_blocks


def run(
    ctl: CommandContext,
    tasks: TaskIds,
    *,
    cause: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the log.")] = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the proof.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="S", min=0, max=1e9, help="Wait no longer than so many seconds for the proof."),
    ] = None,
) -> ExitCode:
    """A killed task is never run again unless it is retried. Prints how each process tree was ended, once
    its worker has shown that nothing of it is left; says so if that worker is silent."""
    before = ctl.stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S).swarm.last_event_seq
    request = KillTaskRequest(task_ids=tasks, cause=cause)
    killed = ctl.stub.KillTask(request, timeout=DEADLINE_S).tasks
    if no_wait:
        ctl.printer.put(killed, list_document, changed_blocks)
        return ExitCode.OK
    proof = KillWait(ctl.stub, killed)
    if proof.lacking:
        say(f"swarmctl: waiting until the processes of {', '.join(proof.lacking)} are gone")
    proof.wait(after=before, within_s=timeout)
    answers = list(_look(ctl, killed))
    ctl.printer.put(answers, killed_document, killed_blocks)
    _judge(proof, answers)
    return ExitCode.OK


def _judge(proof: KillWait, answers: Sequence[GetTaskResponse]) -> None:
    """Raises Exit where something did not end, or not in time."""
    left = survivors(answers)
    if left:
        raise ProgramExit(
            ExitCode.NEGATIVE, f"processes outlived the kill of {', '.join(left)}", hint="look at the host"
        )
    if proof.lacking:
        raise ProgramExit(
            ExitCode.NEGATIVE,
            f"no proof yet that the processes of {', '.join(proof.lacking)} are gone",
            hint="the kill stays in force; `swarmctl show TASK` says when it is done",
        )


def _look(ctl: CommandContext, tasks: Iterable[Task]) -> Iterator[GetTaskResponse]:
    for task in tasks:
        yield ctl.stub.GetTask(GetTaskRequest(task_id=task.task_id), timeout=DEADLINE_S)
