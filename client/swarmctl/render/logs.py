"""The output and actions of sessions, one entry after the other."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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


def is_output(entry: LogEntry) -> bool:
    """Returns False for the prompt, the input of the session."""
    return entry.kind != LogKind.LOG_KIND_PROMPT


def chosen(
    *, since_s: float | None, pattern: re.Pattern[str], prompts: bool = False
) -> Callable[[LogEntry], bool]:
    """Returns the choice of the entries that are at most so old now and in whose text the pattern is found.

    An entry without a time is taken for a new one. Prompts are left out, or with `prompts` everything else.
    """
    begin = None if since_s is None else datetime.now(UTC) - timedelta(seconds=since_s)

    def choose(entry: LogEntry) -> bool:
        late = begin is None or not entry.HasField("logged_at") or entry.logged_at.ToDatetime(UTC) >= begin
        return late and is_output(entry) != prompts and pattern.search(entry.text) is not None

    return choose


def log_lines(
    answers: Iterable[TailLogResponse], choose: Callable[[LogEntry], bool] = is_output
) -> Iterator[LogLine]:
    """Yields the chosen entries of a stream as they arrive."""
    session = None
    for answer in answers:
        for entry in filter(choose, answer.entries):
            yield LogLine(answer, entry, first=answer.session_id != session)
            session = answer.session_id


def line_document(line: LogLine) -> Document:
    """Returns the entry for programs."""
    return entry_document(line.source, line.entry)


def line_text(line: LogLine, *, timestamps: bool = False) -> str:
    """Returns the entry for people, with its local time if that is asked for; a prompt stands as it is."""
    mark = _MARKS.get(line.entry.kind, "  ")
    if timestamps:
        mark = f"{text_format.moment(line.entry, 'logged_at') or '-'} {mark}"
    text = mark + line.entry.text.rstrip("\n").replace("\n", "\n  ")
    if not is_output(line.entry):
        text = line.entry.text.removesuffix("\n")
    if not line.first:
        return text
    role = text_format.word(SessionRole, line.source.role)
    return f"==> {role}, attempt {line.source.attempt}, session {line.source.session_id}\n{text}"
