"""`swarmctl emergency-stop`."""

from typing import Annotated

import typer

from amplifier_swarm.v1.operator_service_pb2 import EmergencyStopRequest
from swarmctl.ctl import DEADLINE_S, Ctl
from swarmctl.render.swarm import stopped_blocks, stopped_document
from swarmctl.talk import say


def run(
    ctl: Ctl,
    *,
    cause: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the log.")] = "",
) -> None:
    """In force, over restarts too, until `swarmctl resume`; `resume --requeue` puts back what it ended."""
    answer = ctl.stub.EmergencyStop(EmergencyStopRequest(cause=cause), timeout=DEADLINE_S)
    ctl.printer.put(answer, stopped_document, stopped_blocks)
    say("swarmctl: nothing starts until `swarmctl resume`")
