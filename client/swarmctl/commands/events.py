"""`swarmctl events`."""

from collections import deque
from functools import partial
from typing import Annotated

import typer

from amplifier_swarm.documents.events import event_document
from amplifier_swarm.v1.operator_service_pb2 import GetSwarmRequest, GetTaskRequest
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from swarmctl.api import streams
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.completion import complete_task_ids
from swarmctl.cli.context import CommandContext
from swarmctl.render.events import event_line, fitted_line


def run(
    ctl: CommandContext,
    *,
    follow_on: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones.")] = False,
    task: Annotated[
        str, typer.Option(metavar="TASK", help="Only those of this task.", autocompletion=complete_task_ids)
    ] = "",
    after: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, metavar="SEQ", help="Only those after this number.")
    ] = 0,
    tail: Annotated[int, typer.Option(min=0, metavar="N", help="Begin with the last N of them.")] = 0,
) -> None:
    stub = ctl.stub if follow_on else ctl.reading_stub
    # Resolves the prefix of an id, and reports a typo before the wait.
    task_id = task and stub.GetTask(GetTaskRequest(task_id=task), timeout=DEADLINE_S).task.task_id
    if tail:
        after = max(after, _before_last(stub, task_id, tail))
    batches = streams.events(stub, after=after, task_id=task_id, follow=follow_on)
    line = partial(fitted_line, columns=ctl.printer.console().width) if ctl.printer.live else event_line
    ctl.printer.stream((event for batch in batches for event in batch), event_document, line)


def _before_last(stub: OperatorServiceStub, task_id: str, number: int) -> int:
    """Returns the number of the event before the last ones: of the task, or of the swarm."""
    if not task_id:
        # The sequence of events has no gap.
        return stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S).swarm.last_event_seq - number
    past = streams.events(stub, after=0, task_id=task_id, follow=False)
    last = deque((event.seq for batch in past for event in batch), maxlen=number)
    return last[0] - 1 if last else 0
