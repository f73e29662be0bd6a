"""`swarmctl answer`."""

from typing import Annotated

import typer

from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.plan.source import STDIN, read_source
from amplifier_swarm.v1.operator_service_pb2 import AnswerTaskRequest, GetTaskRequest
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.context import CommandContext
from swarmctl.render.inbox import ANSWERED
from swarmctl.render.tasks import changed_blocks


def run(
    ctl: CommandContext,
    task: TaskId,
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help="The answer; - is stdin.")] = "",
    *,
    option: Annotated[
        int | None,
        typer.Option(min=1, max=20, metavar="N", help="The number of the option that is the answer."),
    ] = None,
) -> None:
    """The next attempt gets the question and the answer. `inbox` lists the questions, `show` has their whole text.
    Somebody who has answered before is named.
    """
    if bool(text) == bool(option):
        raise ProgramExit(ExitCode.USAGE, "give an answer", hint="TEXT, or --option N")
    found = ctl.stub.GetTask(GetTaskRequest(task_id=task), timeout=DEADLINE_S)
    questions = [hold for hold in found.holds if hold.kind in ANSWERED]
    if not questions:
        raise ProgramExit(ExitCode.CONFLICT, f"task {found.task.task_id!r} has asked nothing")
    request = AnswerTaskRequest(
        task_id=found.task.task_id,
        hold_id=questions[-1].hold_id,
        text=read_source(STDIN).text if text == STDIN else text,
        option=option or 0,
    )
    answered = ctl.stub.AnswerTask(request, timeout=DEADLINE_S).task
    ctl.printer.show([answered], list_document, changed_blocks)
