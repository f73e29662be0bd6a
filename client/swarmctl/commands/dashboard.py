"""`swarmctl dashboard`."""

from amplifier_swarm.v1.operator_service_pb2 import CreateLoginCodeRequest
from swarmctl import text_format
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.console import say
from swarmctl.render.show import link_blocks, link_document


def run(ctl: CommandContext) -> None:
    """Whoever opens it first acts as you do, for half a day. Opens no browser itself."""
    answer = ctl.stub.CreateLoginCode(CreateLoginCodeRequest(), timeout=DEADLINE_S)
    ctl.printer.put(answer, link_document, link_blocks)
    say(
        f"swarmctl: good once, for {text_format.span(text_format.seconds(answer.valid_for))}; keep it to yourself"
    )
