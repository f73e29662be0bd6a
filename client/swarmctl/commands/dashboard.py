"""`swarmctl dashboard`."""

from enum import StrEnum
from typing import Annotated

import typer

from amplifier_swarm.v1.operator_service_pb2 import CreateLoginCodeRequest, Role
from swarmctl import text_format
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.render.show import link_blocks, link_document


class SharedRole(StrEnum):
    """The roles of a link that is for somebody else."""

    VIEWER = "viewer"


def run(
    ctl: CommandContext,
    *,
    role: Annotated[
        SharedRole | None,
        typer.Option(help="Make a link to share, which shows everything and changes nothing."),
    ] = None,
) -> None:
    """The first browser that opens the link acts with your rights for half a day. This command opens no
    browser.

    With `--role viewer` the link is for somebody else: it may only read, and works once within an hour. `swarmctl token
    list` shows it as "shared link"; `swarmctl token revoke` ends it at once.
    """
    wanted = Role.ROLE_UNSPECIFIED if role is None else Role.ROLE_VIEWER
    answer = ctl.stub.CreateLoginCode(CreateLoginCodeRequest(role=wanted), timeout=DEADLINE_S)
    ctl.printer.show(answer, link_document, link_blocks)
    advice = "keep it to yourself" if role is None else "whoever opens it first may look, and change nothing"
    print_err(f"swarmctl: good once, for {text_format.span(text_format.seconds(answer.valid_for))}; {advice}")
