"""The document of an event."""

from amplifier_swarm.documents import Document, words
from amplifier_swarm.v1.event_pb2 import Event, EventKind
from amplifier_swarm.v1.task_pb2 import TaskStatus


def event_document(event: Event) -> Document:
    """Returns everything that is known of an event."""
    return {
        "seq": event.seq,
        "happened_at": words.iso(event, "happened_at"),
        "kind": words.word(EventKind, event.kind),
        "task": event.task_id or None,
        "status": words.word(TaskStatus, event.status),
        "attempt": event.attempt or None,
        "worker": event.worker or None,
        "session_id": event.session_id or None,
        "cause": event.cause or None,
        "actor": event.actor or None,
        "because": event.because or None,
    }
