"""`swarmctl logs`."""

import re
from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1.operator_service_pb2 import GetTaskRequest, TailLogRequest
from amplifier_swarm.v1.session_pb2 import LogKind, SessionRole
from swarmctl import text_format
from swarmctl.api import streams
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.context import CommandContext
from swarmctl.cli.token_flags import parse_time
from swarmctl.render.logs import chosen, line_document, line_text, log_lines


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
    timestamps: Annotated[
        bool, typer.Option("--timestamps", help="Begin each entry with its local time.")
    ] = False,
    tail: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, metavar="N", help="Only the last N entries of each session.")
    ] = 0,
    since: Annotated[
        float | None,
        typer.Option(parser=parse_time, metavar="TIME", help="Only entries of the last 90s, 30m, 24h or 7d."),
    ] = None,
    prompt: Annotated[
        bool,
        typer.Option("--prompt", help="Print the prompts that the sessions were given, in place of output."),
    ] = False,
    grep: Annotated[
        str, typer.Option(metavar="REGEX", help="Only entries in which this is found, as Python reads it.")
    ] = "",
) -> None:
    stub = ctl.stub if follow_on else ctl.reading_stub
    # Resolves the prefix of an id, and reports a typo before the wait.
    task_id = stub.GetTask(GetTaskRequest(task_id=task), timeout=DEADLINE_S).task.task_id
    request = TailLogRequest(task_id=task_id, attempt=attempt, follow=follow_on, tail=tail)
    if role is not None:
        request.role = text_format.value_of(SessionRole, role)
    if prompt:
        request.kind = LogKind.LOG_KIND_PROMPT
    choose = chosen(since_s=since, pattern=_compiled(grep), prompts=prompt)
    lines = log_lines(streams.log(stub, request), choose)
    ctl.printer.stream(lines, line_document, partial(line_text, timestamps=timestamps))


def _compiled(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ProgramExit(
            ExitCode.USAGE,
            f"--grep {text!r} is not a regular expression: {error}",
            hint="put a \\ before ( ) [ ] { } . * + ? ^ $ | that are meant as they stand",
        ) from error
