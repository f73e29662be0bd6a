"""`swarmctl token create|list|revoke`."""

from enum import StrEnum
from typing import Annotated

import typer

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1.operator_service_pb2 import (
    CreateTokenRequest,
    ListTokensRequest,
    RevokeTokenRequest,
    Role,
)
from swarmctl import text_format
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.cli.token_flags import TermFlags
from swarmctl.console import print_err
from swarmctl.render.tokens import created_blocks, created_document, tokens_blocks, tokens_document


class RoleWord(StrEnum):
    """The roles of a token as words; a test compares them with the contract."""

    VIEWER = "viewer"
    WORKER = "worker"
    OPERATOR = "operator"


def create(
    ctl: CommandContext,
    *,
    role: Annotated[RoleWord, typer.Option(help="What the token may do.")],
    name: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    terms: TermFlags,
) -> None:
    """Make a token and print it, once.

    With --expires, --uses or --label, a token of the role worker is a join token: each worker exchanges it for a
    credential of its own when it joins.
    """
    if role is not RoleWord.WORKER and (terms.label or terms.uses is not None):
        raise ProgramExit(ExitCode.USAGE, f"--label and --uses are for the role worker, not {role}")
    request = CreateTokenRequest(role=text_format.value_of(Role, role), name=name, valid_for=terms.duration)
    if role is RoleWord.WORKER and terms.given:
        request.join.CopyFrom(terms.join())
    answer = ctl.stub.CreateToken(request, timeout=DEADLINE_S)
    ctl.printer.show(answer, created_document, created_blocks)
    print_err(f"swarmctl: token {answer.info.token_id}; keep it secret, nobody can show it again")


def show_all(ctl: CommandContext) -> None:
    """List the tokens, without their secrets."""
    tokens = ctl.stub.ListTokens(ListTokensRequest(), timeout=DEADLINE_S).tokens
    ctl.printer.show(tokens, tokens_document, tokens_blocks)


def revoke(
    ctl: CommandContext,
    token: Annotated[str, typer.Argument(metavar="ID", help="The id that `token list` shows.")],
) -> None:
    """Make a token invalid at once."""
    info = ctl.stub.RevokeToken(RevokeTokenRequest(token_id=token), timeout=DEADLINE_S).info
    ctl.printer.show([info], tokens_document, tokens_blocks)


COMMANDS = {"create": create, "list": show_all, "revoke": revoke}
