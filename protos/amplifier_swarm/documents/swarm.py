"""The document of the swarm as a whole."""

from amplifier_swarm.documents import Document, words
from amplifier_swarm.documents.tasks import signs_document, usage_document
from amplifier_swarm.v1.operator_service_pb2 import ResumeSwarmResponse
from amplifier_swarm.v1.session_pb2 import SessionRole
from amplifier_swarm.v1.swarm_pb2 import PausedRunner, QuietTask, Swarm, SwarmMode
from amplifier_swarm.v1.task_pb2 import FailureClass, TaskStatus


def counts(swarm: Swarm) -> dict[str, int]:
    """Returns the number of tasks by status; every status is a key."""
    found = {count.status: count.count for count in swarm.counts}
    return {name: found.get(words.value_of(TaskStatus, name), 0) for name in words.words_of(TaskStatus)}


def total(swarm: Swarm) -> int:
    """Returns the number of all tasks."""
    return sum(count.count for count in swarm.counts)


def swarm_document(swarm: Swarm) -> Document:
    """Returns everything that is known of the swarm."""
    return {
        "mode": words.word(SwarmMode, swarm.mode),
        "cause": swarm.cause or None,
        "done": swarm.done,
        "total": total(swarm),
        "counts": counts(swarm),
        "workers": swarm.workers,
        "slots": swarm.slots,
        "estimated_hours": words.finite(swarm.estimated_hours),
        "completed_hours": words.finite(swarm.completed_hours),
        "usage": usage_document(swarm.usage),
        "stop_generation": swarm.stop_generation,
        "last_event_seq": swarm.last_event_seq,
        "version": swarm.version,
        "started_at": words.iso(swarm, "started_at"),
        "epoch": swarm.epoch,
        "swarm_id": swarm.swarm_id or None,
        "expiry_paused": swarm.expiry_paused,
        "rehearsed": swarm.rehearsed,
        "paused_runners": [_paused_document(paused) for paused in swarm.paused_runners],
        "quiet_tasks": [_quiet_document(quiet) for quiet in swarm.quiet_tasks],
    }


def _quiet_document(quiet: QuietTask) -> Document:
    return {"task": quiet.task_id, "worker": quiet.worker or None, **signs_document(quiet.signs)}


def _paused_document(paused: PausedRunner) -> Document:
    breaker = paused.breaker
    return {
        "runner": paused.runner,
        "cause": paused.cause or None,
        "paused_at": words.iso(paused, "paused_at"),
        "worker": paused.worker or None,
        "role": words.word(SessionRole, breaker.role),
        "failure_class": words.word(FailureClass, breaker.failure_class),
        "fingerprint": breaker.fingerprint or None,
        "task_ids": list(breaker.task_ids),
        "half_open": breaker.half_open,
        "probe_task_id": breaker.probe_task_id or None,
        "failed_probes": breaker.failed_probes,
        "cooldown_s": words.seconds_of(breaker, "cooldown"),
        "freed_by": breaker.freed_by or None,
    }


def resumed_document(answer: ResumeSwarmResponse) -> Document:
    """Returns the swarm, and the ids of the tasks that were requeued."""
    return {**swarm_document(answer.swarm), "requeued": list(answer.requeued)}
