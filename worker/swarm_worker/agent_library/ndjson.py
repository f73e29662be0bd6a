"""The session's events on stderr, one JSON object a line: `{"method":…,"params":{…}}`.

Invariant: stderr carries only events, so what an engine logs and Python's warnings become events too.
"""

import json
import logging
from dataclasses import dataclass
from typing import Any, Final, TextIO

# The limit of each string in an event. The lower limits apply if the event does not fit into a line otherwise.
TEXT_LIMITS_CHARS: Final = (4_000, 400, 40)
# Readers cut longer lines, which are not valid JSON after that.
LINE_LIMIT_BYTES: Final = 60_000


@dataclass(frozen=True, slots=True)
class NdjsonStream:
    """The stream of events of one turn of a session."""

    session_id: str
    turn_id: str
    file: TextIO

    def send(self, method: str, **params: Any) -> None:
        """Writes one event at once."""
        named = {"sessionId": self.session_id, "turnId": self.turn_id} | params
        for limit in TEXT_LIMITS_CHARS:
            line = json.dumps({"method": method, "params": _bounded(named, limit)}, default=str)
            if len(line) < LINE_LIMIT_BYTES:  # json.dumps writes ASCII, so characters are bytes
                break
        self.file.write(line + "\n")
        self.file.flush()

    def error(self, code: str, message: str, *, recoverable: bool) -> None:
        """Writes an `error` event."""
        self.send("error", code=code, message=message, recoverable=recoverable)


class ErrorLog(logging.Handler):
    """A logging handler that turns the log of an engine into `error` events, from a level on."""

    def __init__(self, stream: NdjsonStream, level: int = logging.ERROR) -> None:
        super().__init__(level)
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        self._stream.error("internal", record.getMessage(), recoverable=True)


def take_over_logging(handler: ErrorLog) -> None:
    """Sends the log of the whole process to the handler. Call it once, before the engine starts."""
    logging.basicConfig(level=handler.level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


def _bounded(value: Any, limit: int) -> Any:
    if isinstance(value, str) and len(value) > limit:
        return f"{value[:limit]}… ({len(value)} characters in all)"
    if isinstance(value, dict):
        return {key: _bounded(item, limit) for key, item in value.items()}
    if isinstance(value, list):
        return [_bounded(item, limit) for item in value]
    return value
