"""Tasks in lists: the keys of interface.md for programs, a table for people."""

from collections.abc import Iterable, Sequence
from typing import Final

from amplifier_swarm.v1.session_pb2 import Usage
from amplifier_swarm.v1.task_pb2 import FailureClass, Task, TaskStatus
from swarmctl import words
from swarmctl.plan.vocabulary import priority_word
from swarmctl.render.blocks import Blocks, Cell, Column, Document, Table, cell

STYLES: Final = {
    TaskStatus.TASK_STATUS_BLOCKED: "dim",
    TaskStatus.TASK_STATUS_CLAIMED: "cyan",
    TaskStatus.TASK_STATUS_IN_PROGRESS: "cyan",
    TaskStatus.TASK_STATUS_KILLING: "magenta",
    TaskStatus.TASK_STATUS_COMPLETED: "green",
    TaskStatus.TASK_STATUS_FAILED: "red",
    TaskStatus.TASK_STATUS_KILLED: "magenta",
    TaskStatus.TASK_STATUS_SKIPPED: "yellow",
}


def usage_document(usage: Usage) -> Document:
    """What sessions used; the cost is decimal text, so that no cent is lost on the way."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost": usage.cost or None,
    }


def task_document(task: Task) -> Document:
    """The keys that others rely on."""
    return {
        "id": task.task_id,
        "name": task.name or task.task_id,
        "status": words.word(TaskStatus, task.status),
        "phase": task.phase or None,
        "type": task.type or None,
        "priority": task.priority,
        "attempt": task.attempt,
        "max_retries": task.max_retries,
        "dependencies": list(task.dependencies),
        "blocked_by": list(task.blocked_by),
        "worker": task.worker or None,
        "builder_session_id": task.builder_session_id or None,
        "validator_session_id": task.validator_session_id or None,
        "last_error": task.last_error or None,
        "failure_class": words.word(FailureClass, task.failure_class),
        "cause": task.cause or None,
        "estimated_hours": words.finite(task.estimated_hours) if task.HasField("estimated_hours") else None,
        "created_at": words.iso(task, "created_at"),
        "started_at": words.iso(task, "started_at"),
        "completed_at": words.iso(task, "completed_at"),
        "usage": usage_document(task.usage),
    }


def list_document(tasks: Iterable[Task]) -> Document:
    """A list of tasks."""
    return [task_document(task) for task in tasks]


def status_cell(status: TaskStatus.ValueType) -> Cell:
    """A status in its colour."""
    return cell(words.word(TaskStatus, status), STYLES.get(status, ""))


def why(task: Task) -> str:
    """Why the task is where it is, as far as the task itself knows."""
    if task.blocked_by:
        return "waits for " + ", ".join(task.blocked_by)
    return task.cause or task.last_error


LIST: Final = (
    Column("ID"),
    Column("STATUS"),
    Column("PRIORITY"),
    Column("PHASE", flexible=True),
    Column("ATTEMPT", right=True),
    Column("WORKER"),
    Column("NAME", flexible=True),
    Column("WHY", flexible=True),
)


def list_blocks(tasks: Sequence[Task]) -> Blocks:
    """A list of tasks as a table."""
    rows = [
        (
            cell(task.task_id),
            status_cell(task.status),
            cell(priority_word(task.priority)),
            cell(task.phase),
            cell(task.attempt or None),
            cell(task.worker),
            cell(task.name),
            cell(why(task), "dim"),
        )
        for task in tasks
    ]
    return [Table(LIST, rows)]


BLOCKED: Final = (Column("ID"), Column("WAITS FOR"), Column("NAME", flexible=True))


def blocked_blocks(tasks: Sequence[Task]) -> Blocks:
    """What waits, and for what."""
    rows = [(cell(t.task_id), cell(", ".join(t.blocked_by)), cell(t.name)) for t in tasks]
    return [Table(BLOCKED, rows)]


CHANGED: Final = (Column("ID"), Column("STATUS"), Column("NAME", flexible=True))


def changed_blocks(tasks: Sequence[Task]) -> Blocks:
    """Tasks with where they now are."""
    rows = [(cell(task.task_id), status_cell(task.status), cell(task.name)) for task in tasks]
    return [Table(CHANGED, rows)]
