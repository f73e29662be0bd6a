"""The swarm as a whole."""

from collections.abc import Sequence
from typing import Final

from amplifier_swarm.v1.operator_service_pb2 import EmergencyStopResponse, ResumeSwarmResponse
from amplifier_swarm.v1.swarm_pb2 import Swarm, SwarmMode
from amplifier_swarm.v1.task_pb2 import TaskStatus
from swarmctl import words
from swarmctl.render.blocks import Blocks, Cell, Column, Document, Heading, Table, cell, facts
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
    }


def mode_cell(swarm: Swarm) -> Cell:
    """The mode, and why."""
    mode = words.word(SwarmMode, swarm.mode)
    text = f"{mode}: {swarm.cause}" if swarm.cause else mode
    return cell(text, MODE_STYLES.get(swarm.mode, ""))


def swarm_blocks(swarm: Swarm) -> Blocks:
    """The swarm at a glance."""
    hours = f"{swarm.completed_hours:g} of {swarm.estimated_hours:g}" if swarm.estimated_hours else None
    done = counts(swarm)["completed"]
    rows = [(status_cell(c.status), cell(c.count)) for c in sorted(swarm.counts, key=lambda c: c.status)]
    return [
        facts(
            ("mode", mode_cell(swarm)),
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


def stopped_document(answer: EmergencyStopResponse) -> Document:
    """The swarm, and what is ended."""
    return {
        **swarm_document(answer.swarm),
        "killing": list(answer.killing),
        "killed": list(answer.killed),
    }


def stopped_blocks(answer: EmergencyStopResponse) -> Blocks:
    """The same for people."""
    return [
        facts(
            ("mode", mode_cell(answer.swarm)),
            ("killing", _ids(answer.killing)),
            ("killed", _ids(answer.killed)),
        )
    ]


def _ids(task_ids: Sequence[str]) -> Cell:
    return cell(", ".join(task_ids))
