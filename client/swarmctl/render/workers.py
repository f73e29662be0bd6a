"""The workers."""

from collections.abc import Sequence
from typing import Final

from amplifier_swarm.v1.swarm_pb2 import Worker, WorkerStatus
from swarmctl import text_format
from swarmctl.render.blocks import Blocks, Column, Cut, Table, cell, id_column

WORKERS: Final = (
    id_column("NAME"),
    Column("STATUS"),
    Column("SLOTS", right=True),
    Column("RUNNING", right=True),
    Column("RUNNER", rank=2),
    Column("HOST", flexible=True, good=16, rank=3, cut=Cut.MIDDLE),
    Column("PID", right=True, rank=4),
    Column("LAST SEEN"),
    Column("TASKS", flexible=True, rank=1),
)
WORKER_STYLES: Final = {
    WorkerStatus.WORKER_STATUS_ONLINE: "green",
    WorkerStatus.WORKER_STATUS_DRAINING: "yellow",
    WorkerStatus.WORKER_STATUS_SUSPECT: "red",
    WorkerStatus.WORKER_STATUS_GONE: "dim",
}


def workers_blocks(workers: Sequence[Worker]) -> Blocks:
    """Returns all workers as a table."""
    rows = [
        (
            cell(worker.name),
            cell(text_format.word(WorkerStatus, worker.status), WORKER_STYLES.get(worker.status, "")),
            cell(worker.slots),
            cell(worker.running),
            cell(worker.runner),
            cell(worker.host),
            cell(worker.pid or None),
            cell(text_format.moment(worker, "last_seen_at")),
            cell(", ".join(worker.task_ids)),
        )
        for worker in workers
    ]
    return [Table(WORKERS, rows)]


def forgotten_blocks(task_ids: Sequence[str]) -> Blocks:
    """Returns the tasks that are free again."""
    return [Table((id_column("FREED TASK"),), [(cell(task_id),) for task_id in task_ids])]
