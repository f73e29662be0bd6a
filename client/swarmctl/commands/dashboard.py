"""`swarmctl dashboard`."""

from amplifier_swarm.v1.operator_service_pb2 import CreateLoginCodeRequest
from swarmctl import text_format
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.render.show import link_blocks, link_document


def run(ctl: CommandContext) -> None:
    """The first browser that opens the link acts with your rights for half a day. This command opens no
    browser.
    """
    answer = ctl.stub.CreateLoginCode(CreateLoginCodeRequest(), timeout=DEADLINE_S)
    ctl.printer.show(answer, link_document, link_blocks)
    print_err(
        f"swarmctl: good once, for {text_format.span(text_format.seconds(answer.valid_for))}; keep it to yourself"
    )
