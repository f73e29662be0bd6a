"""What sessions printed and did, one entry after the other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from amplifier_swarm.documents import Document
from amplifier_swarm.documents.logs import entry_document
from amplifier_swarm.v1.operator_service_pb2 import TailLogResponse
from amplifier_swarm.v1.session_pb2 import LogEntry, LogKind, SessionRole
from swarmctl import text_format

# What marks the kinds that are not plain output.
_MARKS: Final = {
    LogKind.LOG_KIND_ERROR_OUTPUT: "! ",
    LogKind.LOG_KIND_TOOL_STARTED: "> ",
    LogKind.LOG_KIND_TOOL_COMPLETED: "< ",
    LogKind.LOG_KIND_REPLY: "= ",
    LogKind.LOG_KIND_WORKER: "# ",
}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One entry, and whose it is. The first of a session is announced."""

    source: TailLogResponse
    entry: LogEntry
    first: bool


def log_lines(answers: Iterable[TailLogResponse]) -> Iterator[LogLine]:
    """All entries of a stream, as they come."""
    session = None
    for answer in answers:
        for entry in answer.entries:
            yield LogLine(answer, entry, first=answer.session_id != session)
            session = answer.session_id


def line_document(line: LogLine) -> Document:
    """The entry for programs."""
    return entry_document(line.source, line.entry)


def line_text(line: LogLine) -> str:
    """The entry for people."""
    mark = _MARKS.get(line.entry.kind, "  ")
    text = mark + line.entry.text.rstrip("\n").replace("\n", "\n  ")
    if not line.first:
        return text
    role = text_format.word(SessionRole, line.source.role)
    return f"==> {role}, attempt {line.source.attempt}, session {line.source.session_id}\n{text}"
