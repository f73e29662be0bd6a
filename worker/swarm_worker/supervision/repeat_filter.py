"""Recognition of output that repeats: a keepalive does not count as progress.

Invariant: memory and time for a chunk are bounded, whatever a program prints.
"""

import re
from collections import deque
from typing import Final

# A cycle of more different lines than this counts as progress.
REMEMBERED_LINES: Final = 256
LINE_BYTES: Final = 4_096
# A chunk of old lines is searched for a new one only so far.
LINES_PER_CHUNK: Final = 64
_LINE_END: Final = re.compile(rb"[\r\n]")
# Ids and time fields of JSON, clock times, dates and durations: a keepalive that counts seconds is still a keepalive.
_TIMES: Final = re.compile(
    rb'"(?:(?:event_?)?id|uuid|nonce)"\s*:\s*(?:"[^"]*"|\d+)'
    rb'|"(?:ts|time|timestamp|seq|elapsed\w*|uptime\w*|duration\w*)"\s*:\s*"?[\d.:TZ+-]+"?'
    rb"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d)?|\d\d?:\d\d(?::\d\d)?(?:\.\d+)?Z?|\b\d{10,}(?:\.\d+)?"
    rb"|\b\d+(?:\.\d+)?\s?(?:ms|s|secs?|seconds?|m|mins?|minutes?|h|hours?)\b"
)
# Events that exist only to keep a connection open, whatever they count.
_KEEPALIVE: Final = re.compile(
    rb'"(?:method|type|event)"\s*:\s*"[\w./:-]*\b(?:keep[_-]?alive|heartbeat|ping)"', re.IGNORECASE
)


class RepeatFilter:
    """A filter of one stream that separates new lines from lines that were printed a short time ago."""

    def __init__(self) -> None:
        self._order: deque[int] = deque()
        self._known: set[int] = set()
        self._unfinished = b""

    def is_new(self, chunk: bytes) -> bool:
        """Adds a chunk; returns True if it has text that differs from the latest lines in more than times."""
        last_end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) + 1
        if not last_end:
            # A program that prints a line piece by piece makes progress with each new piece.
            self._unfinished = (self._unfinished + chunk)[:LINE_BYTES]
            return self._remember(chunk)
        new = self._has_new_line(chunk)
        self._unfinished = chunk[last_end:][:LINE_BYTES]
        return new

    def _has_new_line(self, chunk: bytes) -> bool:
        """Returns True at the first new line, without a look at the others."""
        start, prefix = 0, self._unfinished
        for _ in range(LINES_PER_CHUNK):
            end = _LINE_END.search(chunk, start)
            if end is None:
                return False
            if self._remember(prefix + chunk[start : min(end.start(), start + LINE_BYTES)]):
                return True
            start, prefix = end.end(), b""
        return False

    def _remember(self, line: bytes) -> bool:
        """Returns True if the line is new; an empty line and a keepalive event never are."""
        text = line[:LINE_BYTES].strip()
        if not text or _KEEPALIVE.search(text):
            return False
        key = hash(_TIMES.sub(b"", text))
        if key in self._known:
            return False
        if len(self._order) == REMEMBERED_LINES:
            self._known.discard(self._order.popleft())
        self._order.append(key)
        self._known.add(key)
        return True
