"""What sessions printed and did, one entry after the other."""

from amplifier_swarm.documents import words
from amplifier_swarm.documents.document import Document
from amplifier_swarm.v1.operator_service_pb2 import TailLogResponse
from amplifier_swarm.v1.session_pb2 import LogEntry, LogKind, SessionRole


def entry_document(source: TailLogResponse, entry: LogEntry) -> Document:
    """Everything that is known of one entry; `source` says whose it is."""
    return {
        "session_id": source.session_id,
        "role": words.word(SessionRole, source.role),
        "attempt": source.attempt,
        "cursor": entry.cursor,
        "number": entry.number,
        "logged_at": words.iso(entry, "logged_at"),
        "kind": words.word(LogKind, entry.kind),
        "text": entry.text,
    }
