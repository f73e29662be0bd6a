"""How an emergency stop went, worker by worker."""

from collections.abc import Sequence
from typing import Final

from amplifier_swarm.documents.attempts import receipt_document
from amplifier_swarm.documents.document import Document
from amplifier_swarm.documents.kills import receipt_of
from amplifier_swarm.documents.swarm import swarm_document
from amplifier_swarm.v1.session_pb2 import KillReceipt
from amplifier_swarm.v1.task_pb2 import TaskStatus
from swarmctl import words
from swarmctl.render.blocks import Blocks, Cell, Column, Table, cell, facts
from swarmctl.render.swarm import mode_cell
from swarmctl.stopping import Reach, StopReceipt, WorkerReceipt

WORKERS: Final = (
    Column("WORKER"),
    Column("ITS SESSIONS"),
    Column("FOUND", right=True),
    Column("SIGTERM", right=True),
    Column("SIGKILL", right=True),
    Column("SURVIVORS", right=True),
    Column("TASKS", flexible=True),
)
_STYLES: Final = {
    Reach.ORDERED: "yellow",
    Reach.STOPPED: "green",
    Reach.UNREACHABLE: "red",
    Reach.SILENT: "red",
    Reach.LATE: "bold red",
}


def stopped_document(receipt: StopReceipt) -> Document:
    """The swarm, what is ended, and what is known of each worker that had sessions."""
    return {
        **swarm_document(receipt.answer.swarm),
        "killing": list(receipt.answer.killing),
        "killed": list(receipt.answer.killed),
        "receipts": [_worker(worker) for worker in receipt.workers],
    }


def stopped_blocks(receipt: StopReceipt) -> Blocks:
    """The same for people."""
    answer = receipt.answer
    told = facts(
        ("mode", mode_cell(answer.swarm)),
        ("killing", cell(", ".join(answer.killing))),
        ("killed", cell(", ".join(answer.killed))),
    )
    return [told, Table(WORKERS, [_row(worker) for worker in receipt.workers])] if receipt.workers else [told]


def stopped_at(worker: WorkerReceipt) -> str | None:
    """When the last task of a worker was killed; None as long as one is not."""
    if worker.reach is not Reach.STOPPED:
        return None
    # All of one form and in UTC, so the greatest is the latest.
    return max((words.iso(answer.task, "completed_at") or "" for answer in worker.tasks), default="") or None


def _receipts(worker: WorkerReceipt) -> Sequence[KillReceipt]:
    return [receipt for receipt in map(receipt_of, worker.tasks) if receipt is not None]


def _worker(worker: WorkerReceipt) -> Document:
    receipts = _receipts(worker)
    return {
        "worker": worker.name,
        "reach": worker.reach.value,
        "task_ids": list(worker.task_ids),
        "stopped_at": stopped_at(worker),
        "stopped_by": worker.stopped_by,
        **{name: _sum(receipts, name) for name in ("processes_found", "terminated", "killed", "survivors")},
        "tasks": [
            {
                "id": answer.task.task_id,
                "status": words.word(TaskStatus, answer.task.status),
                "kill_receipt": receipt and receipt_document(receipt),
            }
            for answer in worker.tasks
            for receipt in [receipt_of(answer)]
        ],
    }


def _row(worker: WorkerReceipt) -> Sequence[Cell]:
    receipts = _receipts(worker)
    survivors = _sum(receipts, "survivors")
    return (
        cell(worker.name),
        cell(_told(worker), _STYLES[worker.reach]),
        cell(_sum(receipts, "processes_found")),
        cell(_sum(receipts, "terminated")),
        cell(_sum(receipts, "killed")),
        cell(survivors, "red" if survivors else ""),
        cell(", ".join(worker.task_ids)),
    )


def _told(worker: WorkerReceipt) -> str:
    match worker.reach:
        case Reach.ORDERED:
            return "told to end"
        case Reach.STOPPED:
            return f"gone at {stopped_at(worker) or 'an unknown time'}"
        case Reach.UNREACHABLE | Reach.SILENT:
            by = f" by {worker.stopped_by}" if worker.stopped_by else ""
            return f"{worker.reach}: end by themselves{by}"
        case Reach.LATE:
            return "not proven gone"


def _sum(receipts: Sequence[KillReceipt], name: str) -> int | None:
    """What the receipts say together; None where there is none."""
    return sum(getattr(receipt, name) for receipt in receipts) if receipts else None
