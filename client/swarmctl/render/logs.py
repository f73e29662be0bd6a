"""The output and actions of sessions, one entry after the other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from amplifier_swarm.documents import Document
from amplifier_swarm.documents.logs import entry_document
from amplifier_swarm.v1.operator_service_pb2 import TailLogResponse
from amplifier_swarm.v1.session_pb2 import LogEntry, LogKind, SessionRole
from swarmctl import text_format

# Marks for entries that are not plain output.
_MARKS: Final = {
    LogKind.LOG_KIND_ERROR_OUTPUT: "! ",
    LogKind.LOG_KIND_TOOL_STARTED: "> ",
    LogKind.LOG_KIND_TOOL_COMPLETED: "< ",
    LogKind.LOG_KIND_REPLY: "= ",
    LogKind.LOG_KIND_WORKER: "# ",
}


@dataclass(frozen=True, slots=True)
class LogLine:
    """An entry with its source. The first entry of a session gets a header."""

    source: TailLogResponse
    entry: LogEntry
    first: bool


def log_lines(answers: Iterable[TailLogResponse]) -> Iterator[LogLine]:
    """Yields the entries of a stream as they arrive."""
    session = None
    for answer in answers:
        for entry in answer.entries:
            yield LogLine(answer, entry, first=answer.session_id != session)
            session = answer.session_id


def line_document(line: LogLine) -> Document:
    """Returns the entry for programs."""
    return entry_document(line.source, line.entry)


def line_text(line: LogLine) -> str:
    """Returns the entry for people."""
    mark = _MARKS.get(line.entry.kind, "  ")
    text = mark + line.entry.text.rstrip("\n").replace("\n", "\n  ")
    if not line.first:
        return text
    role = text_format.word(SessionRole, line.source.role)
    return f"==> {role}, attempt {line.source.attempt}, session {line.source.session_id}\n{text}"
