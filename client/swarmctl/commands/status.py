"""`swarmctl status`."""

from amplifier_swarm.documents.swarm import swarm_document
from amplifier_swarm.v1.operator_service_pb2 import GetSwarmRequest
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.render.swarm import swarm_blocks


def run(ctl: CommandContext) -> None:
    swarm = ctl.reading_stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S).swarm
    ctl.printer.show(swarm, swarm_document, swarm_blocks)
