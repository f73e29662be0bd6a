"""The swarm as a whole."""

from collections.abc import Sequence
from typing import Final

from amplifier_swarm.text import one_line
from amplifier_swarm.v1.operator_service_pb2 import ResumeSwarmResponse
from amplifier_swarm.v1.swarm_pb2 import PausedRunner, Swarm, SwarmMode
from amplifier_swarm.v1.task_pb2 import TaskStatus
from swarmctl import words
from swarmctl.render.blocks import (
    CELL_LIMIT,
    Blocks,
    Cell,
    Column,
    Document,
    Heading,
    Prose,
    Table,
    cell,
    facts,
)
from swarmctl.render.events import RESUME
from swarmctl.render.tasks import status_cell, usage_document

MODE_STYLES: Final = {
    SwarmMode.SWARM_MODE_RUNNING: "green",
    SwarmMode.SWARM_MODE_PAUSED: "yellow",
    SwarmMode.SWARM_MODE_STOPPED: "bold red",
}


def counts(swarm: Swarm) -> dict[str, int]:
    """How many tasks have each status, every status named."""
    found = {count.status: count.count for count in swarm.counts}
    return {name: found.get(words.value_of(TaskStatus, name), 0) for name in words.words_of(TaskStatus)}


def total(swarm: Swarm) -> int:
    """How many tasks there are."""
    return sum(count.count for count in swarm.counts)


def swarm_document(swarm: Swarm) -> Document:
    """Everything that is known of the swarm."""
    return {
        "mode": words.word(SwarmMode, swarm.mode),
        "cause": swarm.cause or None,
        "done": swarm.done,
        "total": total(swarm),
        "counts": counts(swarm),
        "workers": swarm.workers,
        "slots": swarm.slots,
        "estimated_hours": words.finite(swarm.estimated_hours),
        "completed_hours": words.finite(swarm.completed_hours),
        "usage": usage_document(swarm.usage),
        "stop_generation": swarm.stop_generation,
        "last_event_seq": swarm.last_event_seq,
        "version": swarm.version,
        "started_at": words.iso(swarm, "started_at"),
        "epoch": swarm.epoch,
        "swarm_id": swarm.swarm_id or None,
        "expiry_paused": swarm.expiry_paused,
        "paused_runners": [_paused_document(paused) for paused in swarm.paused_runners],
    }


def _paused_document(paused: PausedRunner) -> Document:
    return {
        "runner": paused.runner,
        "cause": paused.cause or None,
        "paused_at": words.iso(paused, "paused_at"),
    }


def mode_cell(swarm: Swarm) -> Cell:
    """The mode, and why."""
    mode = words.word(SwarmMode, swarm.mode)
    text = f"{mode}: {swarm.cause}" if swarm.cause else mode
    return cell(text, MODE_STYLES.get(swarm.mode, ""))


def paused_blocks(swarm: Swarm, *, resume: str = RESUME) -> Blocks:
    """Each runner whose provider refused, why, and what to do; `resume` is the command that ends it."""
    return [
        block
        for paused in swarm.paused_runners
        for block in (
            Prose(_refused(paused), "bold red", indent=0),
            Prose(f"Mend that, then `{resume}`; until then it starts no session.", "red", indent=2),
        )
    ]


def _refused(paused: PausedRunner) -> str:
    at = words.iso(paused, "paused_at")
    since = f" since {at}" if at else ""
    cause = paused.cause or "its provider refused for good"
    return one_line(f"Runner {paused.runner} is paused{since}: {cause}", CELL_LIMIT)


def swarm_blocks(swarm: Swarm) -> Blocks:
    """The swarm at a glance."""
    hours = f"{swarm.completed_hours:g} of {swarm.estimated_hours:g}" if swarm.estimated_hours else None
    done = counts(swarm)["completed"]
    rows = [(status_cell(c.status), cell(c.count)) for c in sorted(swarm.counts, key=lambda c: c.status)]
    return [
        *paused_blocks(swarm),
        facts(
            ("mode", mode_cell(swarm)),
            (
                "silence",
                cell("most workers fell silent at once; nobody is given up" if swarm.expiry_paused else None),
            ),
            ("tasks", cell(f"{done:,} of {total(swarm):,} completed")),
            ("hours", cell(hours)),
            ("workers", cell(f"{swarm.workers}, with {words.plural(swarm.slots, 'slot')}")),
            ("used", cell(words.tokens(swarm.usage))),
        ),
        Heading("Tasks by status"),
        Table((Column(""), Column("", right=True)), rows),
    ]


def mode_blocks(swarm: Swarm) -> Blocks:
    """What is allowed to happen now."""
    return [facts(("mode", mode_cell(swarm)))]


def resumed_document(answer: ResumeSwarmResponse) -> Document:
    """The swarm, and the tasks that were put back."""
    return {**swarm_document(answer.swarm), "requeued": list(answer.requeued)}


def resumed_blocks(answer: ResumeSwarmResponse) -> Blocks:
    """The same for people."""
    return [facts(("mode", mode_cell(answer.swarm)), ("requeued", _ids(answer.requeued)))]


def _ids(task_ids: Sequence[str]) -> Cell:
    return cell(", ".join(task_ids))
