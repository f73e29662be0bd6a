"""Incremental splitting of output into lines, and the tail of an output, both in bounded memory."""

from dataclasses import dataclass
from typing import Final

LINE_BYTES: Final = 64 * 1024
# Events hold results of tools and whole answers of models; the usage stands in the same line.
EVENT_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class OutputLine:
    """A line without its terminator; `cut` means that the line was longer."""

    text: str
    cut: bool = False


class LineSplitter:
    """An incremental splitter of chunks into lines, which drops everything after 64 KiB of a line.

    A line that begins with `{` may have `object_bytes`.
    """

    def __init__(self, object_bytes: int = LINE_BYTES) -> None:
        self._object_bytes = object_bytes
        self._begun = bytearray()
        self._cut = False

    def push(self, chunk: bytes) -> list[OutputLine]:
        """Adds a chunk; returns the lines that the chunk completes."""
        first, *rest = chunk.split(b"\n")
        if not rest:
            self._extend(first)
            return []
        self._extend(first)
        lines = [self._pop_line()]
        lines += [self._decoded(raw) for raw in rest[:-1]]
        self._extend(rest[-1])
        return lines

    def flush(self) -> list[OutputLine]:
        """Returns the last line if it has no terminator."""
        return [self._pop_line()] if self._begun else []

    def _extend(self, part: bytes) -> None:
        room = self._limit(self._begun or part) - len(self._begun)
        self._begun += part[:room]
        self._cut = self._cut or len(part) > room

    def _pop_line(self) -> OutputLine:
        line = self._decoded(bytes(self._begun), cut=self._cut)
        self._begun.clear()
        self._cut = False
        return line

    def _decoded(self, raw: bytes, *, cut: bool = False) -> OutputLine:
        limit = self._limit(raw)
        text = raw[:limit].rstrip(b"\r").decode(errors="replace")
        return OutputLine(text, cut=cut or len(raw) > limit)

    def _limit(self, start: bytes | bytearray) -> int:
        return self._object_bytes if start.startswith(b"{") else LINE_BYTES


class Tail:
    """The last bytes of an output, up to a limit."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._data = bytearray()
        self.cut = False

    def append(self, chunk: bytes) -> None:
        """Appends a chunk and discards the oldest bytes beyond the limit."""
        self._data += chunk
        if len(self._data) > 2 * self._limit:
            self._forget()

    def text(self) -> str:
        """Returns the text; if the start was discarded, it begins with the first whole line."""
        if len(self._data) > self._limit:
            self._forget()
        data = bytes(self._data)
        if self.cut:
            data = data.partition(b"\n")[2]
        return data.decode(errors="replace")

    def last_chars(self, limit_chars: int) -> str:
        """Returns at most this many of the last characters."""
        return bytes(self._data[-4 * limit_chars :]).decode(errors="replace")[-limit_chars:]

    def _forget(self) -> None:
        del self._data[: len(self._data) - self._limit]
        self.cut = True
