"""Blocks for what waits for a person."""

import shlex
from collections.abc import Sequence
from typing import Final

from amplifier_swarm.v1.hold_pb2 import Hold, HoldKind
from amplifier_swarm.v1.operator_service_pb2 import InboxEntry, ListInboxResponse
from swarmctl import text_format
from swarmctl.render.blocks import Block, Blocks, Cell, Column, Prose, Table, cell

COLUMNS: Final = (
    Column("TASK"),
    Column("KIND"),
    Column("SINCE"),
    Column("WAITING", right=True),
    Column("WHAT", flexible=True),
    Column("SETTLE IT", flexible=True),
)


def inbox_blocks(inbox: ListInboxResponse) -> Blocks:
    """Returns the inbox for people."""
    if not inbox.entries:
        return [Prose("nothing waits for a person", indent=0)]
    blocks: list[Block] = [Table(COLUMNS, [_row(entry) for entry in inbox.entries])]
    if (more := inbox.held - len(inbox.entries)) > 0:
        blocks.append(Prose(f"and {text_format.plural(more, 'more task')} held", indent=0))
    return blocks


def settle_command(task_id: str, hold: Hold) -> str:
    """Returns the command that ends the hold."""
    name = shlex.quote(task_id)
    if hold.kind == HoldKind.HOLD_KIND_QUESTION:
        return f"swarmctl answer {name} {'--option N' if hold.options else 'TEXT'}"
    return f"swarmctl unhold {name}"


def hold_text(hold: Hold) -> str:
    """Returns what the hold waits for in a line, with its options numbered."""
    options = " ".join(f"[{number}] {option}" for number, option in enumerate(hold.options, 1))
    return f"{hold.text} {options}" if options else hold.text


def _row(entry: InboxEntry) -> Sequence[Cell]:
    task, hold = entry.task, entry.task.hold
    return (
        cell(task.task_id),
        cell(text_format.word(HoldKind, hold.kind)),
        cell(text_format.clock(hold, "since")),
        cell(f"{entry.waiting:,}"),
        cell(hold_text(hold)),
        cell(settle_command(task.task_id, hold)),
    )
