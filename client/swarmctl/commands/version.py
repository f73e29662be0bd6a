"""`swarmctl version`."""

import grpc

from amplifier_swarm import __version__
from amplifier_swarm.documents import Document
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.v1.operator_service_pb2 import GetSwarmRequest
from swarmctl.api.errors import explain
from swarmctl.cli.context import DEADLINE_S, CommandContext
from swarmctl.console import say
from swarmctl.render.blocks import Blocks, cell, facts


def run(ctl: CommandContext) -> None:
    """Also where no server answers, and then without its version."""
    client, server = __version__, _server(ctl)

    def document(_: object) -> Document:
        return {"swarmctl": client, "swarmd": server, "server": ctl.options.server}

    def blocks(_: object) -> Blocks:
        return [facts(("swarmctl", cell(client)), ("swarmd", cell(server)))]

    ctl.printer.put(None, document, blocks)


def _server(ctl: CommandContext) -> str | None:
    try:
        return ctl.stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S).swarm.version
    except grpc.RpcError as error:
        say(explain(error, server=ctl.options.server).line("swarmctl"))
    except ProgramExit as end:
        say(end.line("swarmctl"))
    return None
