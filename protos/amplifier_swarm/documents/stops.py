"""How an emergency stop went, worker by worker."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from amplifier_swarm.documents import words
from amplifier_swarm.documents.document import Document
from amplifier_swarm.documents.receipts import receipt_document, receipt_of
from amplifier_swarm.documents.swarm import swarm_document
from amplifier_swarm.v1.operator_service_pb2 import EmergencyStopResponse, GetTaskResponse, StoppingWorker
from amplifier_swarm.v1.task_pb2 import TaskStatus


class Reach(StrEnum):
    """How far a stop has got with one worker."""

    ORDERED = "ordered"  # the order is on its way; nobody has waited for more
    STOPPED = "stopped"  # every session is proven gone
    UNREACHABLE = "unreachable"  # it ends its sessions by itself
    SILENT = "silent"  # it could be reached, and is not heard any more; as above
    LATE = "late"  # it is heard, and has proven nothing in time


@dataclass(frozen=True, slots=True)
class WorkerReceipt:
    """What became of the sessions of one worker."""

    name: str
    reach: Reach
    task_ids: Sequence[str]
    # By when one that can't be reached has ended them by itself; None if it is not known.
    stopped_by: str | None
    # As they are now; none if nobody has waited.
    tasks: Sequence[GetTaskResponse]
    # Whether one that can't be reached has sessions that go on until it is heard again.
    keeps: bool = False

    def total(self, name: str) -> int | None:
        """What the receipts of its tasks say together; None where there is none."""
        receipts = [receipt for receipt in map(receipt_of, self.tasks) if receipt is not None]
        return sum(getattr(receipt, name) for receipt in receipts) if receipts else None


@dataclass(frozen=True, slots=True)
class StopReceipt:
    """What became of an emergency stop."""

    answer: EmergencyStopResponse
    workers: Sequence[WorkerReceipt]


def ordered(answer: EmergencyStopResponse) -> StopReceipt:
    """What is known as soon as the stop is in force."""
    return StopReceipt(answer, [_ordered(worker) for worker in answer.workers])


def _ordered(worker: StoppingWorker) -> WorkerReceipt:
    reach = Reach.ORDERED if worker.reachable else Reach.UNREACHABLE
    by = words.iso(worker, "stopped_by")
    keeps = reach is Reach.UNREACHABLE and by is None
    return WorkerReceipt(worker.worker, reach, list(worker.task_ids), by, (), keeps)


def stopped_document(receipt: StopReceipt) -> Document:
    """The swarm, what is ended, and what is known of each worker that had sessions."""
    return {
        **swarm_document(receipt.answer.swarm),
        "killing": list(receipt.answer.killing),
        "killed": list(receipt.answer.killed),
        "receipts": [_worker(worker) for worker in receipt.workers],
    }


def stopped_at(worker: WorkerReceipt) -> str | None:
    """When the last task of a worker was killed; None as long as one is not."""
    if worker.reach is not Reach.STOPPED:
        return None
    # All of one form and in UTC, so the greatest is the latest.
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
