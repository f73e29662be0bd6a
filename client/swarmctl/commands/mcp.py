"""`swarmctl mcp`."""

import asyncio
from importlib.util import find_spec
from typing import Annotated

import typer

from amplifier_swarm import __version__
from amplifier_swarm.exits import ExitCode, ProgramExit
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err

OPERATOR = "swt1_operator_"


def run(
    ctl: CommandContext,
    *,
    http: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, metavar="PORT", help="Serve HTTP on 127.0.0.1; 0 takes a free port."),
    ] = None,
    read_only: Annotated[bool, typer.Option(help="Offer no tool that changes something.")] = False,
) -> None:
    """Serves the Model Context Protocol on stdin and stdout. The role of the token decides which tools are offered.

    With `--http` each request must bring the same token as a bearer token.
    """
    if find_spec("mcp") is None:
        raise ProgramExit(
            ExitCode.USAGE,
            "the package `mcp` is missing",
            hint="install it: pip install 'amplifier-swarm[mcp]'",
        )
    asyncio.run(_serve(ctl, http=http, read_only=read_only))


async def _serve(ctl: CommandContext, *, http: int | None, read_only: bool) -> None:
    # Imported here: it takes half a second, and other commands do without.
    from amplifier_swarm_client import Swarm  # noqa: PLC0415
    from swarmctl.mcp_server.http import serve_http  # noqa: PLC0415
    from swarmctl.mcp_server.server import build_server  # noqa: PLC0415

    endpoint = ctl.endpoint
    changes = endpoint.token.startswith(OPERATOR) and not read_only
    async with Swarm(endpoint) as swarm:
        server = build_server(swarm, changes=changes, version=__version__)
        if http is None:
            await server.run_stdio_async()
            return
        try:
            await serve_http(
                server, endpoint.token, port=http, ready=lambda url: print_err(f"swarmctl mcp ready {url}")
            )
        except OSError as error:
            raise ProgramExit(
                ExitCode.USAGE, f"can't serve on port {http}: {error.strerror}", hint="pass another --http"
            ) from error
