"""`swarmctl version`."""

import grpc

from amplifier_swarm import __version__
from amplifier_swarm.documents import Document
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.v1.operator_service_pb2 import GetSwarmRequest
from swarmctl.api.errors import explain
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.render.blocks import Blocks, cell, facts


def run(ctl: CommandContext) -> None:
    """Works without a server too, and then omits its version."""
    client, server = __version__, _server(ctl)

    def document(_: object) -> Document:
        return {"swarmctl": client, "swarmd": server, "server": ctl.server}

    def blocks(_: object) -> Blocks:
        return [facts(("swarmctl", cell(client)), ("swarmd", cell(server)))]

    ctl.printer.show(None, document, blocks)


def _server(ctl: CommandContext) -> str | None:
    try:
        return ctl.stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S).swarm.version
    except grpc.RpcError as error:
        print_err(explain(error, server=ctl.server).line("swarmctl"))
    except ProgramExit as end:
        print_err(end.line("swarmctl"))
    return None
