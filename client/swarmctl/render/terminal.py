"""Blocks on a terminal, drawn with rich. All text is rich.text.Text: none of it is markup."""

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from swarmctl.render.align import GAP, aligned
from swarmctl.render.blocks import Block, Blocks, Heading, Table


def print_blocks(console: Console, blocks: Blocks) -> None:
    """Prints the blocks one below the other. A long line continues on the next; nothing is cut."""
    for block in blocks:
        console.print(renderable(block, room=console.width), soft_wrap=isinstance(block, Table))


def group(blocks: Blocks, *, room: int) -> Group:
    """Returns the blocks as one renderable."""
    return Group(*(renderable(block, room=room) for block in blocks))


def renderable(block: Block, *, room: int) -> RenderableType:
    """Returns a block as a renderable of rich."""
    if isinstance(block, Table):
        return _table(block, room=room)
    if isinstance(block, Heading):
        return Text("\n" + block.text, style="bold")
    return Padding(Text(block.text, style=block.style), (0, 0, 0, block.indent))


def _table(table: Table, *, room: int) -> RenderableType:
    rows = aligned(table, room=room)
    text = Text("\n", end="").join(
        Text(" " * GAP).join(Text(one.text, style=one.style) for one in row) for row in rows
    )
    text.end = "\n" if rows else ""
    return text
