"""The lines above the table: how far the swarm is, and what needs a person."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from amplifier_swarm.documents.swarm import counts, total
from amplifier_swarm.v1.swarm_pb2 import Swarm, SwarmMode, WorkerStatus
from swarmctl import text_format
from swarmctl.render.blocks import Cell, Prose, cell
from swarmctl.render.live_board import ended, far
from swarmctl.render.swarm import mode_cell, paused_blocks
from swarmctl.render.tasks import STYLES
from swarmctl.tui.snapshot import SwarmSnapshot, View
from swarmctl.tui.tables import ago, silent

Line = Sequence[Cell]

_BAR_WIDTH: Final = 40
# Of what needs a person, so many at once; the rest is counted.
_NEEDS_LIMIT: Final = 6
_NAMED: Final = 5


def head(look: SwarmSnapshot, server: str) -> Sequence[Line]:
    """Four lines: the mode, how far, how many of each status, workers and spending."""
    swarm = look.swarm
    used = text_format.tokens(swarm.usage)
    busy = sum(worker.running for worker in look.workers)
    crew = f"{text_format.plural(swarm.workers, 'worker')} with {text_format.plural(swarm.slots, 'slot')}, {busy} busy"
    return [
        [Cell("Amplifier Swarm  ", "bold"), mode_cell(swarm), Cell("  "), cell(f"at {server}", "dim")],
        [*_bar(swarm), Cell("  "), cell(far(swarm, ended(swarm)))],
        _counts(swarm),
        [cell(f"{crew}; used {used}" if used else crew)],
    ]


def _bar(swarm: Swarm) -> Line:
    """Completed, ended otherwise, and the rest."""
    everything = max(1, total(swarm))
    completed = counts(swarm)["completed"] * _BAR_WIDTH // everything
    done = ended(swarm) * _BAR_WIDTH // everything
    return [
        Cell("━" * completed, "green"),
        Cell("━" * (done - completed), "red"),
        Cell("━" * (_BAR_WIDTH - done), "bright_black"),
    ]


def _counts(swarm: Swarm) -> Line:
    found = [count for count in sorted(swarm.counts, key=lambda count: count.status) if count.count]
    if not found:
        return [Cell("no tasks", "dim")]
    line: list[Cell] = []
    names = list(counts(swarm))
    for count in found:
        # Statuses count from 1; one that this program does not know yet has no name here.
        name = names[count.status - 1] if count.status <= len(names) else str(count.status)
        line += [
            Cell(", ") if line else Cell(""),
            cell(f"{count.count:,} {name}", STYLES.get(count.status, "")),
        ]
    return line


def needs(look: SwarmSnapshot, now: datetime) -> Sequence[Line]:
    """What needs a person, the gravest first; nothing if all is well."""
    found = list(_needs(look, now))
    if len(found) <= _NEEDS_LIMIT:
        return found
    return [*found[: _NEEDS_LIMIT - 1], [cell(f"and {len(found) - _NEEDS_LIMIT + 1} more", "dim")]]


def _needs(look: SwarmSnapshot, now: datetime) -> Iterator[Line]:
    swarm = look.swarm
    if swarm.mode == SwarmMode.SWARM_MODE_STOPPED:
        yield [cell(f"EMERGENCY STOP in force: {swarm.cause or 'no cause given'}; P ends it", "bold red")]
    elif swarm.mode == SwarmMode.SWARM_MODE_PAUSED:
        yield [cell(f"Paused: {swarm.cause or 'no cause given'}; P ends it", "yellow")]
    for block in paused_blocks(swarm, resume="P"):
        if isinstance(block, Prose):
            yield [Cell(" " * block.indent + block.text, block.style)]
    if swarm.expiry_paused:
        yield [cell("Most workers fell silent at once; nobody is given up until they are heard", "red")]
    for worker in silent(look.workers):
        since = ago(worker, "last_seen_at", now)
        told = f"for {since}" if since else "since the server started"
        yield [cell(f"Worker {worker.name} has been silent {told}", "red")]
    if look.failed.total:
        named = ", ".join(task.task_id for task in look.failed.tasks[:_NAMED])
        more = ", …" if look.failed.total > _NAMED else ""
        yield [
            cell(
                f"{text_format.plural(look.failed.total, 'task')} failed: {named}{more}; 3 lists them", "red"
            )
        ]


def tabs(look: SwarmSnapshot, view: View) -> Line:
    """The views, with how much is in each."""
    present = sum(worker.status != WorkerStatus.WORKER_STATUS_GONE for worker in look.workers)
    sizes = {
        View.RUNNING: len(look.running),
        View.TASKS: look.tasks.total,
        View.FAILED: look.failed.total,
        View.WORKERS: present,
    }
    line: list[Cell] = []
    for number, one in enumerate(View, 1):
        size = f" {sizes[one]:,}" if one in sizes else ""
        line += [Cell(f"{number} {one.value}{size}", "reverse bold" if one is view else ""), Cell("  ")]
    return [*line, *_asked(look, view)]


def _asked(look: SwarmSnapshot, view: View) -> Iterator[Cell]:
    """What limits the list of all tasks, and that it is a part."""
    if view is not View.TASKS:
        return
    query, shown = look.query, len(look.tasks.tasks)
    told = [
        f"only {list(counts(look.swarm))[query.status - 1]}" if query.status else "",
        f"with “{query.search}”" if query.search else "",
        f"the first {shown:,}" if shown < look.tasks.total else "",
    ]
    yield cell(", ".join(one for one in told if one), "cyan")
