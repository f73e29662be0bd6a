"""`swarmctl dashboard`."""

from amplifier_swarm.v1.operator_service_pb2 import CreateLoginCodeRequest
from swarmctl import words
from swarmctl.ctl import DEADLINE_S, Ctl
from swarmctl.render.dashboard import link_blocks, link_document
from swarmctl.talk import say


def run(ctl: Ctl) -> None:
    """Whoever opens it first acts as you do, for half a day. Opens no browser itself."""
    answer = ctl.stub.CreateLoginCode(CreateLoginCodeRequest(), timeout=DEADLINE_S)
    ctl.printer.put(answer, link_document, link_blocks)
    say(f"swarmctl: good once, for {words.span(words.seconds(answer.valid_for))}; keep it to yourself")
