"""The lines above the table: the progress of the swarm, and the problems that need a person."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from amplifier_swarm.documents.swarm import counts
from amplifier_swarm.v1.swarm_pb2 import Swarm, SwarmMode, WorkerStatus
from swarmctl import text_format
from swarmctl.render.blocks import Cell, Prose, cell
from swarmctl.render.live_board import bar_cells, finished_count, progress_text
from swarmctl.render.swarm import mode_cell, warning_blocks
from swarmctl.render.tasks import STYLES
from swarmctl.tui.snapshot import ListPage, SwarmSnapshot, View
from swarmctl.tui.tables import ago, silent_workers

Line = Sequence[Cell]

_BAR_WIDTH: Final = 32
# The number of problems that are listed; the rest is counted.
_ATTENTION_LIMIT: Final = 6
_NAMED: Final = 5


def summary_lines(snapshot: SwarmSnapshot, server: str) -> Sequence[Line]:
    """Returns four lines: the mode, the progress, the tasks by status, workers and spending."""
    swarm = snapshot.swarm
    used = text_format.tokens(swarm.usage)
    busy = sum(worker.running for worker in snapshot.workers)
    crew = f"{text_format.plural(swarm.workers, 'worker')} with {text_format.plural(swarm.slots, 'slot')}, {busy} busy"
    return [
        [Cell("Amplifier Swarm  ", "bold"), mode_cell(swarm), Cell("  "), cell(f"at {server}", "dim")],
        [*bar_cells(swarm, _BAR_WIDTH), Cell("  "), cell(progress_text(swarm, finished_count(swarm)))],
        _counts(swarm),
        [cell(f"{crew}; used {used}" if used else crew)],
    ]


def _counts(swarm: Swarm) -> Line:
    found = [count for count in sorted(swarm.counts, key=lambda count: count.status) if count.count]
    if not found:
        return [Cell("no tasks", "dim")]
    line: list[Cell] = []
    names = list(counts(swarm))
    for count in found:
        # Statuses count from 1; a newer server may send one without a name here.
        name = names[count.status - 1] if count.status <= len(names) else str(count.status)
        line += [
            Cell(", ") if line else Cell(""),
            cell(f"{count.count:,} {name}", STYLES.get(count.status, "")),
        ]
    return line


def attention_lines(snapshot: SwarmSnapshot, now: datetime) -> Sequence[Line]:
    """Returns the problems that need a person, the gravest first; empty if there are none."""
    found = list(_attention(snapshot, now))
    if len(found) <= _ATTENTION_LIMIT:
        return found
    return [*found[: _ATTENTION_LIMIT - 1], [cell(f"and {len(found) - _ATTENTION_LIMIT + 1} more", "dim")]]


def _attention(snapshot: SwarmSnapshot, now: datetime) -> Iterator[Line]:
    swarm = snapshot.swarm
    if swarm.mode == SwarmMode.SWARM_MODE_STOPPED:
        yield [cell(f"EMERGENCY STOP in force: {swarm.cause or 'no cause given'}; P ends it", "bold red")]
    elif swarm.mode == SwarmMode.SWARM_MODE_PAUSED:
        yield [cell(f"Paused: {swarm.cause or 'no cause given'}; P ends it", "yellow")]
    for block in warning_blocks(swarm, resume="P"):
        if isinstance(block, Prose):
            yield [Cell(" " * block.indent + block.text, block.style)]
    if swarm.expiry_paused:
        yield [cell("Most workers fell silent at once; nobody is given up until they are heard", "red")]
    for worker in silent_workers(snapshot.workers):
        since = ago(worker, "last_seen_at", now)
        duration = f"for {since}" if since else "since the server started"
        yield [cell(f"Worker {worker.name} has been silent {duration}", "red")]
    if held := snapshot.held.total:
        waiting = f"{text_format.plural(held, 'task')} {'waits' if held == 1 else 'wait'} for a person"
        yield [cell(f"{waiting}: {_named(snapshot.held)}; 3 lists them, a answers", "bold yellow")]
    if failed := snapshot.failed.total:
        yield [
            cell(
                f"{text_format.plural(failed, 'task')} failed: {_named(snapshot.failed)}; 3 lists them", "red"
            )
        ]


def _named(page: ListPage) -> str:
    names = ", ".join(task.task_id for task in page.tasks[:_NAMED])
    return f"{names}, …" if page.total > _NAMED else names


def tab_line(snapshot: SwarmSnapshot, view: View) -> Line:
    """Returns the titles of the views, each with its size."""
    present = sum(worker.status != WorkerStatus.WORKER_STATUS_GONE for worker in snapshot.workers)
    sizes = {
        View.RUNNING: len(snapshot.running),
        View.TASKS: snapshot.tasks.total,
        View.ATTENTION: snapshot.held.total + snapshot.failed.total,
        View.WORKERS: present,
    }
    line: list[Cell] = []
    for number, one in enumerate(View, 1):
        size = f" {sizes[one]:,}" if one in sizes else ""
        line += [Cell(f"{number} {one.value}{size}", "reverse bold" if one is view else ""), Cell("  ")]
    return [*line, *_list_limits(snapshot, view)]


def _list_limits(snapshot: SwarmSnapshot, view: View) -> Iterator[Cell]:
    """Yields the filter of the list of all tasks, and the number of rows if it is a part."""
    if view is not View.TASKS:
        return
    query, shown = snapshot.query, len(snapshot.tasks.tasks)
    limits = [
        f"only {list(counts(snapshot.swarm))[query.status - 1]}" if query.status else "",
        f"with “{query.search}”" if query.search else "",
        f"the first {shown:,}" if shown < snapshot.tasks.total else "",
    ]
    yield cell(", ".join(one for one in limits if one), "cyan")
