"""`swarmctl inbox`."""

from amplifier_swarm.documents.holds import inbox_document
from amplifier_swarm.v1.operator_service_pb2 import GetSwarmRequest, ListInboxRequest
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.render.inbox import inbox_blocks


def run(ctl: CommandContext) -> None:
    """Each entry has the command that settles it. WAITING counts the tasks behind it."""
    stub = ctl.reading_stub
    inbox = stub.ListInbox(ListInboxRequest(), timeout=DEADLINE_S)
    swarm = stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S).swarm
    ctl.printer.show(inbox, inbox_document, lambda found: inbox_blocks(found, swarm))
