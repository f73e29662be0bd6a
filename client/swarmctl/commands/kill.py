"""`swarmctl kill`."""

from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from amplifier_swarm.documents.kills import killed_document
from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.exits import Exit, Exits
from amplifier_swarm.v1.operator_service_pb2 import (
    GetSwarmRequest,
    GetTaskRequest,
    GetTaskResponse,
    KillTaskRequest,
)
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from swarmctl import follow
from swarmctl.arguments import TaskIds
from swarmctl.ctl import DEADLINE_S, Ctl
from swarmctl.render.kills import killed_blocks, survivors
from swarmctl.render.tasks import changed_blocks
from swarmctl.talk import say


def run(
    ctl: Ctl,
    tasks: TaskIds,
    *,
    cause: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the log.")] = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the proof.")] = False,
) -> Exits:
    """A killed task is never run again unless it is retried. Prints how each process tree was ended, once
    its worker has shown that nothing of it is left."""
    before = ctl.stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S).swarm.last_event_seq
    request = KillTaskRequest(task_ids=tasks, cause=cause)
    killed = ctl.stub.KillTask(request, timeout=DEADLINE_S).tasks
    if no_wait:
        ctl.printer.put(killed, list_document, changed_blocks)
        return Exits.OK
    waited_for = {task.task_id for task in killed if task.status == TaskStatus.TASK_STATUS_KILLING}
    if waited_for:
        say(f"swarmctl: waiting until the processes of {', '.join(sorted(waited_for))} are gone")
    _wait(ctl, waited_for, after=before)
    answers = list(_look(ctl, killed))
    ctl.printer.put(answers, killed_document, killed_blocks)
    left = survivors(answers)
    if left:
        raise Exit(
            Exits.NEGATIVE, f"processes outlived the kill of {', '.join(left)}", hint="look at the host"
        )
    return Exits.OK


def _wait(ctl: Ctl, waited_for: set[str], *, after: int) -> None:
    """Returns when none of them is KILLING any more."""
    if not waited_for:
        return
    for batch in follow.events(ctl.stub, after=after):
        for event in batch:
            if event.status == TaskStatus.TASK_STATUS_KILLED:
                waited_for.discard(event.task_id)
        if not waited_for:
            return


def _look(ctl: Ctl, tasks: Iterable[Task]) -> Iterator[GetTaskResponse]:
    for task in tasks:
        yield ctl.stub.GetTask(GetTaskRequest(task_id=task.task_id), timeout=DEADLINE_S)
