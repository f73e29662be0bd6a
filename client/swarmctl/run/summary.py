"""The summary of a run: every task with its final state."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from amplifier_swarm.documents import Document
from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from swarmctl import text_format
from swarmctl.render.blocks import Blocks, Column, Prose, Table, cell
from swarmctl.render.changes import landed_blocks
from swarmctl.render.swarm import rehearsal_blocks
from swarmctl.render.tasks import error_text, reason_text, status_cell

_COMPLETED: Final = TaskStatus.TASK_STATUS_COMPLETED

COLUMNS: Final = (
    Column("TASK"),
    Column("STATUS"),
    Column("ATTEMPTS", right=True),
    Column("TOOK", right=True),
    Column("TOKENS", flexible=True),
    Column("LAST ERROR", flexible=True),
)


def all_completed(tasks: Sequence[Task]) -> bool:
    """Returns whether every task is completed."""
    return all(task.status == TaskStatus.TASK_STATUS_COMPLETED for task in tasks)


def summary_document(tasks: Sequence[Task]) -> Document:
    """Returns the tasks, whether all of them are completed, and whether any was only rehearsed."""
    return {
        "completed": all_completed(tasks),
        "rehearsed": any(task.rehearsed for task in tasks),
        "tasks": list_document(tasks),
    }


def summary_blocks(tasks: Sequence[Task]) -> Blocks:
    """Returns the summary for people."""
    rows = [
        (
            cell(task.task_id),
            status_cell(task.status),
            cell(task.attempt),
            cell(text_format.span(text_format.between(task, "started_at", "completed_at"))),
            cell(text_format.tokens(task.usage)),
            # The last line counts the completed tasks that were rehearsed.
            cell(error_text(task) if task.status == _COMPLETED else reason_text(task)),
        )
        for task in tasks
    ]
    counted = Counter(text_format.word(TaskStatus, task.status) for task in tasks)
    by_status = ", ".join(f"{count:,} {name}" for name, count in counted.most_common())
    return [
        Table(COLUMNS, rows),
        Prose(f"{text_format.plural(len(tasks), 'task')}: {by_status or 'none'}", indent=0),
        *landed_blocks(tasks),
        *rehearsal_blocks(sum(task.rehearsed and task.status == _COMPLETED for task in tasks)),
    ]
