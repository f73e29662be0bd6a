"""`swarmctl explain`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from operator import itemgetter
from typing import Final

from amplifier_swarm.documents.explain import explain_document
from amplifier_swarm.text import one_line
from amplifier_swarm.v1.operator_service_pb2 import (
    ExplainTaskRequest,
    ExplainTaskResponse,
    GetTaskRequest,
    TailLogRequest,
)
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.task_pb2 import ProgramSigns, TaskStatus
from swarmctl import text_format
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.context import CommandContext
from swarmctl.render.live_board import since_s
from swarmctl.render.printer import Output
from swarmctl.render.show import explain_blocks
from swarmctl.render.swarm import nothing_new

# Of the last output of a session.
_SIGN_LIMIT: Final = 100


def run(ctl: CommandContext, task: TaskId) -> None:
    """Uses the same rules as claims do: open dependencies, the present holder, a backoff, a pause or stop
    in force, no worker that fits.
    """
    answer = ctl.reading_stub.ExplainTask(ExplainTaskRequest(task_id=task), timeout=DEADLINE_S)
    running = answer.task.status == TaskStatus.TASK_STATUS_IN_PROGRESS and ctl.printer.output is Output.TABLE
    signs = list(_signs(ctl.reading_stub, answer)) if running else []
    ctl.printer.show(answer, explain_document, lambda found: explain_blocks(found, signs))


def _signs(stub: OperatorServiceStub, answer: ExplainTaskResponse) -> Iterator[str]:
    """Yields since when a task runs, the last sign of its session, and the limits that end the session."""
    task, now = answer.task, datetime.now(UTC)
    if not task.HasField("started_at"):
        return
    started = text_format.clock(task, "started_at")
    yield f"its attempt began at {started}, {text_format.span(since_s(task, now))} ago"
    latest = TailLogRequest(task_id=task.task_id, attempt=task.attempt, tail=1)
    said = [
        (entry.logged_at.ToMicroseconds(), entry)
        for answer in stub.TailLog(latest, timeout=DEADLINE_S)
        for entry in answer.entries
        if entry.HasField("logged_at")
    ]
    if said:
        entry = max(said, key=itemgetter(0))[1]
        ago = (now - entry.logged_at.ToDatetime(UTC)).total_seconds()
        yield f"the last sign of its session is {text_format.span(ago)} old: {one_line(entry.text, _SIGN_LIMIT)}"
    else:
        yield "its session has shown no sign yet"
    if answer.HasField("signs"):
        yield from _limits(answer.signs, now)
        return
    role = "validator" if task.validator_session_id else "builder"
    definition = stub.GetTask(GetTaskRequest(task_id=task.task_id), timeout=DEADLINE_S).definition
    given = definition.validator_timeout if task.validator_session_id else definition.builder_timeout
    if given.ToMicroseconds():
        limit = text_format.span(text_format.seconds(given))
        yield f"its task file ends a {role} that runs for {limit}"
    else:
        yield f"the --{role}-timeout of its worker ends it, or the --stall-timeout if it is silent"


def _limits(signs: ProgramSigns, now: datetime) -> Iterator[str]:
    """Yields for how long the program has printed nothing new, and at what times its limits end it."""
    if signs.HasField("new_at"):
        yield f"its program has printed {nothing_new(signs, now)}"
    else:
        yield "its program prints nothing before its end"
    at = f"it is ended at {text_format.clock(signs, 'times_out_at', now=now)} at the latest"
    if signs.HasField("stalls_at"):
        at += f", and at {text_format.clock(signs, 'stalls_at', now=now)} if it prints nothing new until then"
    yield at
