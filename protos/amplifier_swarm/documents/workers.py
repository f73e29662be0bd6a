"""The document of a worker. Other programs rely on its keys."""

from collections.abc import Iterable

from amplifier_swarm.documents import Document, words
from amplifier_swarm.documents.enforcement import enforcement_document
from amplifier_swarm.v1.swarm_pb2 import Worker, WorkerStatus


def worker_document(worker: Worker) -> Document:
    """Returns everything that is known of a worker."""
    return {
        "name": worker.name,
        "status": words.word(WorkerStatus, worker.status),
        "slots": worker.slots,
        "running": worker.running,
        "host": worker.host or None,
        "pid": worker.pid or None,
        "runner": worker.runner or None,
        "last_seen": words.iso(worker, "last_seen_at"),
        "stopped_by": words.iso(worker, "stopped_by"),
        "labels": dict(sorted(worker.labels.items())),
        "containment": worker.containment or None,
        "enforcement": enforcement_document(worker.enforcement),
        "version": worker.version or None,
        "task_ids": list(worker.task_ids),
    }


def forgotten_document(task_ids: Iterable[str]) -> Document:
    """Returns the tasks that a forgotten worker held."""
    return {"task_ids": list(task_ids)}


def workers_document(workers: Iterable[Worker]) -> Document:
    """Returns a list of workers."""
    return [worker_document(worker) for worker in workers]
