"""The document of a log entry of a session."""

from amplifier_swarm.documents import Document, words
from amplifier_swarm.v1.operator_service_pb2 import TailLogResponse
from amplifier_swarm.v1.session_pb2 import LogEntry, LogKind, SessionRole


def entry_document(source: TailLogResponse, entry: LogEntry) -> Document:
    """Returns everything that is known of an entry; `source` names its session."""
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
