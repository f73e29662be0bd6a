"""Writes the session's events to stderr, one JSON object a line: `{"method":…,"params":{…}}`.

Nothing else may stand there, so the log of the kernel and the warnings of Python go the same way,
and only their errors.
"""

import json
import logging
from dataclasses import dataclass
from typing import Any, Final, TextIO

# How much of each text within an event is sent: a whole file is no progress. The lower ones are for
# events that would not fit into a line otherwise.
TEXT_LIMITS_CHARS: Final = (4_000, 400, 40)
# Readers take no more of a line; what they have to cut is no JSON any more.
LINE_LIMIT_BYTES: Final = 60_000


@dataclass(frozen=True, slots=True)
class NdjsonStream:
    """Where the events of one turn of one session go."""

    session_id: str
    turn_id: str
    file: TextIO

    def send(self, method: str, **params: Any) -> None:
        """Writes one event at once."""
        named = {"sessionId": self.session_id, "turnId": self.turn_id} | params
        for limit in TEXT_LIMITS_CHARS:
            line = json.dumps({"method": method, "params": _bounded(named, limit)}, default=str)
            if len(line) < LINE_LIMIT_BYTES:  # it is ASCII
                break
        self.file.write(line + "\n")
        self.file.flush()

    def error(self, code: str, message: str, *, recoverable: bool) -> None:
        """Writes an `error` event."""
        self.send("error", code=code, message=message, recoverable=recoverable)


class ErrorLog(logging.Handler):
    """Turns what Python code logs as an error into `error` events."""

    def __init__(self, stream: NdjsonStream) -> None:
        super().__init__(logging.ERROR)
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        self._stream.error("internal", record.getMessage(), recoverable=True)


def take_over_logging(stream: NdjsonStream) -> None:
    """Sends the whole process's log to the stream; called once, before the kernel starts."""
    logging.basicConfig(level=logging.ERROR, handlers=[ErrorLog(stream)], force=True)
    logging.captureWarnings(capture=True)


def _bounded(value: Any, limit: int) -> Any:
    if isinstance(value, str) and len(value) > limit:
        return f"{value[:limit]}… ({len(value)} characters in all)"
    if isinstance(value, dict):
        return {key: _bounded(item, limit) for key, item in value.items()}
    if isinstance(value, list):
        return [_bounded(item, limit) for item in value]
    return value
