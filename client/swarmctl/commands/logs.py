"""`swarmctl logs`."""

from enum import StrEnum
from typing import Annotated

import typer

from amplifier_swarm.v1.operator_service_pb2 import GetTaskRequest, TailLogRequest
from amplifier_swarm.v1.session_pb2 import SessionRole
from swarmctl import text_format
from swarmctl.api import streams
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.context import CommandContext
from swarmctl.render.logs import line_document, line_text, log_lines


class SessionRoleWord(StrEnum):
    """The roles of a session as words; a test compares them with the contract."""

    BUILDER = "builder"
    VALIDATOR = "validator"


def run(
    ctl: CommandContext,
    task: TaskId,
    *,
    follow_on: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the task has ended.")
    ] = False,
    role: Annotated[SessionRoleWord | None, typer.Option(help="Only sessions of this role.")] = None,
    attempt: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, metavar="N", help="This attempt; 0 is the latest.")
    ] = 0,
) -> None:
    stub = ctl.stub if follow_on else ctl.reading_stub
    # Resolves the prefix of an id, and reports a typo before the wait.
    task_id = stub.GetTask(GetTaskRequest(task_id=task), timeout=DEADLINE_S).task.task_id
    request = TailLogRequest(task_id=task_id, attempt=attempt, follow=follow_on)
    if role is not None:
        request.role = text_format.value_of(SessionRole, role)
    ctl.printer.stream(log_lines(streams.log(stub, request)), line_document, line_text)
