"""Tables of tasks."""

from collections.abc import Sequence
from typing import Final

from amplifier_swarm.v1.hold_pb2 import HoldKind
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from amplifier_swarm.vocabulary import priority_word
from swarmctl import text_format
from swarmctl.render.blocks import Blocks, Cell, Column, Cut, Table, cell, id_column, reason_column

STYLES: Final = {
    TaskStatus.TASK_STATUS_BLOCKED: "dim",
    TaskStatus.TASK_STATUS_CLAIMED: "cyan",
    TaskStatus.TASK_STATUS_IN_PROGRESS: "cyan",
    TaskStatus.TASK_STATUS_KILLING: "magenta",
    TaskStatus.TASK_STATUS_COMPLETED: "green",
    TaskStatus.TASK_STATUS_FAILED: "red",
    TaskStatus.TASK_STATUS_KILLED: "magenta",
    TaskStatus.TASK_STATUS_SKIPPED: "yellow",
    TaskStatus.TASK_STATUS_HELD: "bold yellow",
}


# The first digits of a commit, as people know it.
SHORT_COMMIT: Final = 12
REHEARSED: Final = "rehearsed: no model did this work"


def status_cell(status: TaskStatus.ValueType) -> Cell:
    """Returns a status in its colour."""
    return cell(text_format.word(TaskStatus, status), STYLES.get(status, ""))


def reason_text(task: Task) -> str:
    """Returns the reason for the task's state, as far as the task itself holds it."""
    reason = error_text(task)
    if task.blocked_by or not task.rehearsed:
        return reason
    return f"{REHEARSED}; {reason}" if reason else REHEARSED


def error_text(task: Task) -> str:
    """Returns what stops or stopped the task, without a mark of rehearsals."""
    if task.blocked_by and not task.HasField("completed_at"):
        return "waits for " + ", ".join(task.blocked_by)
    if task.HasField("hold"):
        return f"{text_format.word(HoldKind, task.hold.kind)}: {task.hold.text}"
    return task.cause or task.last_error


def landing_text(task: Task) -> str:
    """Returns where the work of a task is on its way to the target, as a predicate."""
    if task.HasField("landed"):
        return f"has landed on {task.landed.target} as {task.landed.commit[:SHORT_COMMIT]}"
    if task.HasField("hold"):
        verb = "approve" if task.hold.kind == HoldKind.HOLD_KIND_APPROVAL else "unhold"
        return f"is held; `swarmctl {verb} {task.task_id}` lets it land"
    return "is about to land"


def caps_text(task: Task) -> str:
    """Returns what the sessions of the task may use together; empty if that has no cap."""
    tokens = f"{task.max_tokens:,} tokens" if task.HasField("max_tokens") else ""
    return ", ".join(filter(None, (f"{task.max_cost} dollars" if task.max_cost else "", tokens)))


def progress_text(task: Task) -> str:
    """Returns what the running session of the task says about its progress; empty if nothing."""
    percent = f"{task.progress.percent} %" if task.progress.HasField("percent") else ""
    return ": ".join(filter(None, (percent, task.progress.text)))


def attempt_text(task: Task) -> str:
    """Returns the number of the attempt, with the maximum until a retry or a loss exceeds it."""
    allowed = task.max_retries + 1
    return f"{task.attempt} of {allowed}" if task.attempt <= allowed else str(task.attempt)


LIST: Final = (
    id_column("ID"),
    Column("STATUS"),
    Column("PRIORITY", rank=4),
    Column("PHASE", flexible=True, least=6, good=16, rank=5),
    Column("ATTEMPT", right=True, rank=2),
    id_column("WORKER", rank=3),
    Column("NAME", flexible=True, rank=1),
    reason_column("WHY"),
)


def list_row(task: Task) -> Sequence[Cell]:
    """Returns a task as a row of the list."""
    return (
        cell(task.task_id),
        status_cell(task.status),
        cell(priority_word(task.priority)),
        cell(task.phase),
        cell(task.attempt or None),
        cell(task.worker),
        cell(task.name),
        cell(reason_text(task), "dim"),
    )


def list_blocks(tasks: Sequence[Task]) -> Blocks:
    """Returns a list of tasks as a table."""
    return [Table(LIST, [list_row(task) for task in tasks], terse=True)]


BLOCKED: Final = (
    id_column("ID"),
    reason_column("WAITS FOR", cut=Cut.WRAP),
    Column("NAME", flexible=True, rank=1),
)


def blocked_blocks(tasks: Sequence[Task]) -> Blocks:
    """Returns the tasks that wait, with their open dependencies."""
    rows = [(cell(t.task_id), cell(", ".join(t.blocked_by)), cell(t.name)) for t in tasks]
    return [Table(BLOCKED, rows)]


CHANGED: Final = (id_column("ID"), Column("STATUS"), Column("NAME", flexible=True, rank=1))


def changed_blocks(tasks: Sequence[Task]) -> Blocks:
    """Returns tasks with their status."""
    rows = [(cell(task.task_id), status_cell(task.status), cell(task.name)) for task in tasks]
    return [Table(CHANGED, rows)]
