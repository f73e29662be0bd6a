"""The link that logs a browser in."""

from amplifier_swarm.documents import Document, words
from amplifier_swarm.text import printable
from amplifier_swarm.v1.operator_service_pb2 import CreateLoginCodeResponse
from swarmctl.render.blocks import Blocks, Prose


def link_document(answer: CreateLoginCodeResponse) -> Document:
    """The link, and for how long it is good."""
    return {"url": answer.url, "valid_for_s": words.seconds(answer.valid_for)}


def link_blocks(answer: CreateLoginCodeResponse) -> Blocks:
    """The link alone, so that it can be handed on to a browser."""
    return [Prose(printable(answer.url), indent=0)]
