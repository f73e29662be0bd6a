"""`swarmctl resume`."""

from typing import Annotated

import typer

from amplifier_swarm.documents.swarm import resumed_document
from amplifier_swarm.v1.operator_service_pb2 import ResumeSwarmRequest
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.render.swarm import resumed_blocks


def run(
    ctl: CommandContext,
    *,
    requeue: Annotated[
        bool, typer.Option("--requeue", help="Retry exactly those tasks that stops and drains have ended.")
    ] = False,
) -> None:
    answer = ctl.stub.ResumeSwarm(ResumeSwarmRequest(requeue=requeue), timeout=DEADLINE_S)
    ctl.printer.show(answer, resumed_document, resumed_blocks)
