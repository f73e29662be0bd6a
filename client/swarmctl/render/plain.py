"""Blocks as plain text for pipes and files: aligned, never coloured, wrapped or cut."""

from collections.abc import Iterator

from swarmctl.render.align import GAP, aligned
from swarmctl.render.blocks import Block, Blocks, Heading, Table


def lines(blocks: Blocks) -> Iterator[str]:
    """The lines of all blocks, without their ends."""
    for block in blocks:
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Table):
        for row in aligned(block, room=None):
            yield (" " * GAP).join(one.text for one in row).rstrip()
    elif isinstance(block, Heading):
        yield ""
        yield block.text
    else:
        yield from (" " * block.indent + line for line in block.text.splitlines())
