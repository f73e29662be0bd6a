"""Blocks for what waits for a person, and for what people have said."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from amplifier_swarm.text import one_line
from amplifier_swarm.v1.budget_pb2 import Budget
from amplifier_swarm.v1.hold_pb2 import Hold, HoldKind, Note
from amplifier_swarm.v1.operator_service_pb2 import InboxEntry, ListInboxResponse
from amplifier_swarm.v1.swarm_pb2 import Swarm
from swarmctl import text_format
from swarmctl.render.blocks import (
    Block,
    Blocks,
    Cell,
    Column,
    Cut,
    Heading,
    Prose,
    Table,
    cell,
    id_column,
    prose,
    reason_column,
)
from swarmctl.render.budget import budget_caps, budget_text, raise_command
from swarmctl.render.swarm import pause_blocks

# What `answer` ends.
ANSWERED: Final = (HoldKind.HOLD_KIND_QUESTION, HoldKind.HOLD_KIND_NO_PROGRESS)
# Of a name of a token, as it is shown.
NAME_LIMIT: Final = 60
COLUMNS: Final = (
    id_column("TASK"),
    Column("KIND", rank=1),
    Column("SINCE", rank=3),
    Column("WAITING", right=True, rank=2),
    reason_column("WHAT", cut=Cut.WRAP),
    Column("SETTLE IT", flexible=True, least=31, cut=Cut.WRAP),
)


def inbox_blocks(inbox: ListInboxResponse, swarm: Swarm) -> Blocks:
    """Returns the inbox for people: the paused runners first, since they keep whole plans from going on."""
    blocks: list[Block] = [*pause_blocks(swarm.paused_runners)]
    blocks += [Prose(_reached(budget), indent=0) for budget in inbox.budgets]
    if not (blocks or inbox.entries):
        return [Prose("nothing waits for a person", indent=0)]
    if inbox.entries:
        blocks.append(Table(COLUMNS, [_row(entry) for entry in inbox.entries]))
    if (more := inbox.held - len(inbox.entries)) > 0:
        blocks.append(Prose(f"and {text_format.plural(more, 'more task')} held", indent=0))
    return blocks


def settle_command(task_id: str, hold: Hold) -> str:
    """Returns the command that ends the hold."""
    name = shlex.quote(task_id)
    if hold.kind in ANSWERED:
        return f"swarmctl answer {name} {'--option N' if hold.options else 'TEXT'}"
    if hold.kind == HoldKind.HOLD_KIND_APPROVAL:
        return f"swarmctl approve {name}"
    if hold.kind == HoldKind.HOLD_KIND_BUDGET and hold.HasField("budget"):
        return raise_command(hold.budget)
    if hold.kind == HoldKind.HOLD_KIND_BUDGET:
        return f"swarmctl budget {name} --add DOLLARS"
    return f"swarmctl unhold {name}"


def hold_text(hold: Hold) -> str:
    """Returns what the hold waits for in a line, with its options numbered."""
    options = " ".join(f"[{number}] {option}" for number, option in enumerate(hold.options, 1))
    return f"{hold.text} {options}" if options else hold.text


def said_blocks(task_id: str, holds: Sequence[Hold], notes: Sequence[Note]) -> Iterator[Block]:
    """Yields what the task waits for or has waited for, whole and with the answers, and what people have noted."""
    if holds:
        yield Heading("Holds")
    for hold in holds:
        kind = text_format.word(HoldKind, hold.kind)
        by = f" by {one_line(hold.held_by, NAME_LIMIT)}" if hold.held_by else ""
        yield Prose(f"{kind}{by}, since {text_format.moment(hold, 'since')}", indent=0)
        yield prose(hold_text(hold))
        if not hold.HasField("ended_at"):
            yield Prose(f"`{settle_command(task_id, hold)}` settles it", indent=0)
            continue
        ended = text_format.moment(hold, "ended_at")
        who = one_line(hold.ended_by, NAME_LIMIT)
        if hold.approved:
            yield Prose(f"{who or 'a person'} approved at {ended}", indent=0)
        elif hold.answer:
            verb = "rejected it" if hold.kind == HoldKind.HOLD_KIND_APPROVAL else "answered"
            yield Prose(f"{who or 'a person'} {verb} at {ended}", indent=0)
            yield prose(hold.answer)
        else:
            yield Prose(f"ended at {ended}" + (f" by {who}" if who else ""), indent=0)
    if notes:
        yield Heading("Notes")
    for note in notes:
        who = one_line(note.author, NAME_LIMIT) or "a person"
        yield Prose(f"{who}, {text_format.moment(note, 'noted_at')}", indent=0)
        yield prose(note.text)


def _reached(budget: Budget) -> str:
    spent = f"cap {budget_caps(budget)}, spent {budget.spent_cost}"
    return f"ready tasks wait for the budget of {budget_text(budget.name)}: {spent}; `{raise_command(budget.name)}`"


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
