"""`swarmctl artifacts`."""

from typing import Annotated

import typer

from amplifier_swarm.documents.artifacts import artifacts_document
from amplifier_swarm.v1.operator_service_pb2 import ListArtifactsRequest
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.context import CommandContext
from swarmctl.render.artifacts import artifacts_blocks


def run(
    ctl: CommandContext,
    task: TaskId,
    *,
    attempt: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, metavar="N", help="Only of this attempt; 0 is all.")
    ] = 0,
) -> None:
    """A task names these files in `artifacts:`; `swarmctl get` downloads one of them."""
    answer = ctl.reading_stub.ListArtifacts(
        ListArtifactsRequest(task_id=task, attempt=attempt), timeout=DEADLINE_S
    )
    ctl.printer.show(answer, artifacts_document, artifacts_blocks)
