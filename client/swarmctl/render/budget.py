"""Blocks for caps of cost and of tokens, and what is spent of them."""

from collections.abc import Sequence
from typing import Final

from amplifier_swarm.v1.task_pb2 import Task
from swarmctl.render.blocks import Blocks, Column, Table, cell
from swarmctl.render.tasks import caps_text, status_cell

COLUMNS: Final = (
    Column("TASK"),
    Column("STATUS"),
    Column("CAP", right=True),
    Column("SPENT", right=True),
    Column("TOKENS", right=True),
)


def budget_blocks(tasks: Sequence[Task]) -> Blocks:
    """Returns the caps of tasks, and what their sessions have used."""
    rows = [
        (
            cell(task.task_id),
            status_cell(task.status),
            cell(caps_text(task) or "none"),
            cell(task.usage.cost or "unknown"),
            cell(f"{task.usage.input_tokens + task.usage.output_tokens:,}"),
        )
        for task in tasks
    ]
    return [Table(COLUMNS, rows)]
