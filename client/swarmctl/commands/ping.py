"""`swarmctl ping`."""

from typing import Annotated, Final

import typer
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from amplifier_swarm.documents import Document
from amplifier_swarm.exits import ExitCode
from swarmctl.cli.context import CommandContext
from swarmctl.render.blocks import Blocks, cell, facts

# Shorter than the usual limit of a health check.
TIMEOUT_S: Final = 3.0


def run(
    ctl: CommandContext,
    *,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=3600, metavar="S", help="How long to wait for the answer.")
    ] = TIMEOUT_S,
) -> ExitCode:
    """Needs no token, and asks nothing of the database: for health checks, and for people.

    Exits with 0 if the server serves, with 7 if the server is stopping, and with 5 if no server answers.
    """
    status = ctl.health.Check(HealthCheckRequest(), timeout=timeout).status
    serves = status == HealthCheckResponse.SERVING
    word = HealthCheckResponse.ServingStatus.Name(status).lower()

    def document(_: object) -> Document:
        return {"server": ctl.server, "status": word}

    def blocks(_: object) -> Blocks:
        return [facts(("server", cell(ctl.server)), ("status", cell(word)))]

    ctl.printer.show(None, document, blocks)
    return ExitCode.OK if serves else ExitCode.CONFLICT
