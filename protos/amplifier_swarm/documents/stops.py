"""The document of an emergency stop, worker by worker."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from amplifier_swarm.documents import Document, words
from amplifier_swarm.documents.receipts import receipt_document, receipt_of
from amplifier_swarm.documents.swarm import swarm_document
from amplifier_swarm.v1.operator_service_pb2 import EmergencyStopResponse, GetTaskResponse, StoppingWorker
from amplifier_swarm.v1.task_pb2 import TaskStatus


class Reach(StrEnum):
    """The progress of a stop at one worker."""

    ORDERED = "ordered"  # the order is sent; the caller did not wait for more
    STOPPED = "stopped"  # every session is proven gone
    UNREACHABLE = "unreachable"  # it has no stream, and ends its sessions by itself
    SILENT = "silent"  # it was reachable and is silent now; it ends its sessions by itself
    LATE = "late"  # it beats, and did not prove the end of its sessions in time


@dataclass(frozen=True, slots=True)
class WorkerReceipt:
    """The receipt of a stop for the sessions of one worker."""

    name: str
    reach: Reach
    task_ids: Sequence[str]
    # When an unreachable worker will have ended its sessions by itself; None if that is unknown.
    stopped_by: str | None
    # The tasks as they are now; empty if the caller did not wait.
    tasks: Sequence[GetTaskResponse]
    # Whether an unreachable worker has sessions that go on until it returns.
    keeps: bool = False

    def total(self, name: str) -> int | None:
        """Returns the sum of one field over the receipts of its tasks; None without a receipt."""
        receipts = [receipt for receipt in map(receipt_of, self.tasks) if receipt is not None]
        return sum(getattr(receipt, name) for receipt in receipts) if receipts else None


@dataclass(frozen=True, slots=True)
class StopReceipt:
    """The receipt of an emergency stop."""

    answer: EmergencyStopResponse
    workers: Sequence[WorkerReceipt]


def ordered(answer: EmergencyStopResponse) -> StopReceipt:
    """Returns the receipt of a stop that has just come into force."""
    return StopReceipt(answer, [_worker_receipt(worker) for worker in answer.workers])


def _worker_receipt(worker: StoppingWorker) -> WorkerReceipt:
    reach = Reach.ORDERED if worker.reachable else Reach.UNREACHABLE
    by = words.iso(worker, "stopped_by")
    keeps = reach is Reach.UNREACHABLE and by is None
    return WorkerReceipt(worker.worker, reach, list(worker.task_ids), by, (), keeps)


def stopped_document(receipt: StopReceipt) -> Document:
    """Returns the swarm, the tasks that are killed, and a receipt for each worker that had sessions."""
    return {
        **swarm_document(receipt.answer.swarm),
        "killing": list(receipt.answer.killing),
        "killed": list(receipt.answer.killed),
        "receipts": [_worker(worker) for worker in receipt.workers],
    }


def stopped_at(worker: WorkerReceipt) -> str | None:
    """Returns when the last task of a worker was killed; None until then."""
    if worker.reach is not Reach.STOPPED:
        return None
    # All times have one form and are in UTC, so the greatest text is the latest time.
    return max((words.iso(answer.task, "completed_at") or "" for answer in worker.tasks), default="") or None


def _worker(worker: WorkerReceipt) -> Document:
    return {
        "worker": worker.name,
        "reach": worker.reach.value,
        "task_ids": list(worker.task_ids),
        "stopped_at": stopped_at(worker),
        "stopped_by": worker.stopped_by,
        **{name: worker.total(name) for name in ("processes_found", "terminated", "killed", "survivors")},
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
