"""The results of an emergency stop, by worker."""

from collections.abc import Sequence
from typing import Final

from amplifier_swarm.documents.stops import Reach, StopReceipt, WorkerReceipt, stopped_at
from swarmctl.render.blocks import Blocks, Cell, Column, Cut, Table, cell, facts, id_column, reason_column
from swarmctl.render.swarm import mode_cell

WORKERS: Final = (
    id_column("WORKER"),
    reason_column("ITS SESSIONS", cut=Cut.WRAP),
    Column("FOUND", right=True, rank=2),
    Column("SIGTERM", right=True, rank=4),
    Column("SIGKILL", right=True, rank=3),
    Column("SURVIVORS", right=True),
    Column("TASKS", flexible=True, rank=1),
)
_STYLES: Final = {
    Reach.ORDERED: "yellow",
    Reach.STOPPED: "green",
    Reach.UNREACHABLE: "red",
    Reach.SILENT: "red",
    Reach.LATE: "bold red",
}


def stopped_blocks(receipt: StopReceipt) -> Blocks:
    """Returns the receipts for people."""
    answer = receipt.answer
    overview = facts(
        ("mode", mode_cell(answer.swarm)),
        ("killing", cell(", ".join(answer.killing))),
        ("killed", cell(", ".join(answer.killed))),
    )
    return (
        [overview, Table(WORKERS, [_row(worker) for worker in receipt.workers])]
        if receipt.workers
        else [overview]
    )


def _row(worker: WorkerReceipt) -> Sequence[Cell]:
    survivors = worker.total("survivors")
    return (
        cell(worker.name),
        cell(_state_text(worker), _STYLES[worker.reach]),
        cell(worker.total("processes_found")),
        cell(worker.total("terminated")),
        cell(worker.total("killed")),
        cell(survivors, "red" if survivors else ""),
        cell(", ".join(worker.task_ids)),
    )


def _state_text(worker: WorkerReceipt) -> str:
    match worker.reach:
        case Reach.ORDERED:
            return "ordered to end"
        case Reach.STOPPED:
            survivors = worker.total("survivors")
            gone = f"{survivors} survived" if survivors else "gone"
            return f"{gone} at {stopped_at(worker) or 'an unknown time'}"
        case Reach.UNREACHABLE | Reach.SILENT:
            if worker.keeps:
                return f"{worker.reach}: those to be kept end when it is heard again"
            by = f" by {worker.stopped_by}" if worker.stopped_by else ""
            return f"{worker.reach}: end by themselves{by}"
        case Reach.LATE:
            return "not proven gone"
