"""Blocks for what waits for a person, and for what people have said about a task."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from amplifier_swarm.v1.hold_pb2 import Hold, HoldKind
from amplifier_swarm.v1.operator_service_pb2 import GetTaskResponse, InboxEntry, ListInboxResponse
from swarmctl import text_format
from swarmctl.render.blocks import Block, Blocks, Cell, Column, Heading, Prose, Table, cell, facts, prose

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


def said_blocks(found: GetTaskResponse) -> Iterator[Block]:
    """Yields what the task waits for, whole, then the answers and the notes of people."""
    if found.task.HasField("hold"):
        hold = found.task.hold
        yield Heading(f"Held: {text_format.word(HoldKind, hold.kind)}")
        yield from _question(hold)
        yield facts(
            ("since", cell(text_format.iso(hold, "since"))),
            ("by", cell(hold.held_by)),
            ("settle it", cell(settle_command(found.task.task_id, hold))),
        )
    for hold in found.holds:
        if hold.answer:
            yield Heading(f"Answered after attempt {hold.attempt}")
            yield from _question(hold)
            yield facts(
                ("answer", cell(hold.answer)),
                ("by", cell(hold.ended_by)),
                ("at", cell(text_format.iso(hold, "ended_at"))),
            )
    if found.notes:
        yield Heading("Notes")
        for note in found.notes:
            author = f" ({note.author})" if note.author else ""
            yield prose(f"- {note.text}{author}")


def _question(hold: Hold) -> Iterator[Block]:
    """Yields the text of a hold with its options, each on a line of its own."""
    yield prose(hold.text)
    if hold.options:
        yield prose("\n".join(f"[{number}] {option}" for number, option in enumerate(hold.options, 1)))


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
