"""`swarmctl pause`."""

from amplifier_swarm.documents.swarm import swarm_document
from amplifier_swarm.v1.operator_service_pb2 import PauseSwarmRequest
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.render.swarm import mode_blocks


def run(ctl: CommandContext) -> None:
    """In force, also over restarts, until `swarmctl resume`."""
    swarm = ctl.stub.PauseSwarm(PauseSwarmRequest(), timeout=DEADLINE_S).swarm
    ctl.printer.show(swarm, swarm_document, mode_blocks)
