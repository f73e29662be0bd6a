"""The swarm as a whole."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from amplifier_swarm.documents.swarm import counts, total
from amplifier_swarm.text import one_line
from amplifier_swarm.v1.operator_service_pb2 import ResumeSwarmResponse
from amplifier_swarm.v1.session_pb2 import SessionRole
from amplifier_swarm.v1.swarm_pb2 import PausedRunner, QuietTask, Swarm, SwarmMode
from amplifier_swarm.v1.task_pb2 import ProgramSigns
from swarmctl import text_format
from swarmctl.render.blocks import CELL_LIMIT, Blocks, Cell, Column, Heading, Prose, Table, cell, facts
from swarmctl.render.events import RESUME
from swarmctl.render.tasks import status_cell

# Of the tasks that met a fault.
SHOWN_TASKS: Final = 5
MODE_STYLES: Final = {
    SwarmMode.SWARM_MODE_RUNNING: "green",
    SwarmMode.SWARM_MODE_PAUSED: "yellow",
    SwarmMode.SWARM_MODE_STOPPED: "bold red",
}


def mode_cell(swarm: Swarm) -> Cell:
    """Returns the mode with its cause."""
    mode = text_format.word(SwarmMode, swarm.mode)
    text = f"{mode}: {swarm.cause}" if swarm.cause else mode
    return cell(text, MODE_STYLES.get(swarm.mode, ""))


def warning_blocks(swarm: Swarm, *, resume: str = RESUME) -> Blocks:
    """Returns the quiet tasks, the rehearsed ones, and each paused runner with its cause and remedy.

    `resume` is the command that resumes a paused runner.
    """
    return [
        *quiet_blocks(swarm.quiet_tasks, datetime.now(UTC)),
        *rehearsal_blocks(swarm.rehearsed),
        *pause_blocks(swarm.paused_runners, resume=resume),
    ]


def pause_blocks(runners: Sequence[PausedRunner], *, resume: str = RESUME) -> Blocks:
    """Returns two lines for each paused runner: what pauses it, and what frees it."""
    return [
        block
        for paused in runners
        for block in (
            Prose(_pause_text(paused), "bold red", indent=0),
            Prose(_freed_text(paused, resume), "red", indent=2),
        )
    ]


def quiet_blocks(tasks: Sequence[QuietTask], now: datetime) -> Blocks:
    """Returns a line for each task whose program prints nothing new, and when it is ended for that."""
    return [
        Prose(one_line(_quiet_text(quiet, now), CELL_LIMIT), "bold red", indent=0)
        for quiet in tasks[:SHOWN_TASKS]
    ]


def _quiet_text(quiet: QuietTask, now: datetime) -> str:
    text = f"{quiet.task_id}: {nothing_new(quiet.signs, now)}"
    if quiet.signs.HasField("stalls_at"):
        text += f"; it is ended at {text_format.clock(quiet.signs, 'stalls_at')} by {quiet.worker}"
    return text


def nothing_new(signs: ProgramSigns, now: datetime) -> str:
    """Returns for how long a program has printed nothing new, such as `nothing new for 6 min`."""
    quiet_s = max(0.0, (now - signs.new_at.ToDatetime(UTC)).total_seconds())
    return f"nothing new for {text_format.minutes(quiet_s) if quiet_s >= 60 else text_format.span(quiet_s)}"


def rehearsal_blocks(count: int) -> Blocks:
    """Returns a warning if completed tasks were rehearsed only."""
    if not count:
        return []
    tasks = text_format.plural(count, "completed task")
    return [
        Prose(
            f"{tasks} {'was' if count == 1 else 'were'} only rehearsed: no model did this work.",
            "bold yellow",
            indent=0,
        )
    ]


def _pause_text(paused: PausedRunner) -> str:
    at = text_format.moment(paused, "paused_at")
    since = f" since {at}" if at else ""
    cause = paused.cause or "its provider refused for good"
    role = text_format.word(SessionRole, paused.breaker.role)
    what = f"Runner {paused.runner}" if role in {None, "builder"} else f"The {role} of runner {paused.runner}"
    what += f" at worker {paused.worker}" if paused.worker else ""
    state = "is half open" if paused.breaker.half_open else "is paused"
    return one_line(f"{what} {state}{since}: {cause}", CELL_LIMIT)


def _freed_text(paused: PausedRunner, resume: str) -> str:
    """Returns what frees a paused runner, with the tasks that met its fault."""
    breaker = paused.breaker
    if not breaker.freed_by:  # an older server
        return f"Mend that, then `{resume}`; until then it starts no session."
    ids = ", ".join(breaker.task_ids[:SHOWN_TASKS])
    more = len(breaker.task_ids) - SHOWN_TASKS
    met = f" It was met by {ids}{f' and {more} more' if more > 0 else ''}." if ids else ""
    freed = breaker.freed_by.replace(f"`{RESUME}`", f"`{resume}`")
    return f"Mend that; {freed}.{met}"


def swarm_blocks(swarm: Swarm) -> Blocks:
    """Returns an overview of the swarm."""
    hours = text_format.hours(swarm.completed_hours, swarm.estimated_hours) if swarm.estimated_hours else None
    done = counts(swarm)["completed"]
    rows = [(status_cell(c.status), cell(c.count)) for c in sorted(swarm.counts, key=lambda c: c.status)]
    return [
        *warning_blocks(swarm),
        facts(
            ("mode", mode_cell(swarm)),
            (
                "silence",
                cell("most workers fell silent at once; nobody is given up" if swarm.expiry_paused else None),
            ),
            ("tasks", cell(f"{done:,} of {total(swarm):,} completed")),
            ("hours", cell(hours)),
            ("workers", cell(f"{swarm.workers:,}, with {text_format.plural(swarm.slots, 'slot')}")),
            ("used", cell(text_format.tokens(swarm.usage))),
        ),
        Heading("Tasks by status"),
        Table((Column(""), Column("", right=True)), rows),
    ]


def mode_blocks(swarm: Swarm) -> Blocks:
    """Returns the mode alone."""
    return [facts(("mode", mode_cell(swarm)))]


def resumed_blocks(answer: ResumeSwarmResponse) -> Blocks:
    """Returns the mode after a resume, and the tasks that were put back."""
    return [facts(("mode", mode_cell(answer.swarm)), ("requeued", _ids(answer.requeued)))]


def _ids(task_ids: Sequence[str]) -> Cell:
    return cell(", ".join(task_ids))
