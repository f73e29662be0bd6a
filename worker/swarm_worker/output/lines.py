"""Takes output apart as it comes, in bounded memory, however much there is and however it is broken up."""

from dataclasses import dataclass
from typing import Final

LINE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class OutputLine:
    """A line without its end; `cut` says that there was more of it."""

    text: str
    cut: bool = False


class LineSplitter:
    """Makes lines of chunks. What exceeds 64 KiB of a line is dropped."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._cut = False

    def feed(self, chunk: bytes) -> list[OutputLine]:
        """The lines that the chunk completes."""
        first, *rest = chunk.split(b"\n")
        if not rest:
            self._extend(first)
            return []
        self._extend(first)
        lines = [self._take()]
        lines += [_line(raw) for raw in rest[:-1]]
        self._extend(rest[-1])
        return lines

    def end(self) -> list[OutputLine]:
        """What is left when nothing more comes."""
        return [self._take()] if self._begun else []

    def _extend(self, part: bytes) -> None:
        room = LINE_BYTES - len(self._begun)
        self._begun += part[:room]
        self._cut = self._cut or len(part) > room

    def _take(self) -> OutputLine:
        line = _line(bytes(self._begun), cut=self._cut)
        self._begun.clear()
        self._cut = False
        return line


class Tail:
    """The last of what was printed, up to a number of bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._data = bytearray()
        self.cut = False

    def feed(self, chunk: bytes) -> None:
        """Takes in a chunk; what no longer fits is forgotten."""
        self._data += chunk
        if len(self._data) > 2 * self._limit:
            self._forget()

    def text(self) -> str:
        """The text, from the first whole line on if something before it was forgotten."""
        if len(self._data) > self._limit:
            self._forget()
        data = bytes(self._data)
        if self.cut:
            data = data.partition(b"\n")[2]
        return data.decode(errors="replace")

    def end(self, limit_chars: int) -> str:
        """The last characters."""
        return bytes(self._data[-4 * limit_chars :]).decode(errors="replace")[-limit_chars:]

    def _forget(self) -> None:
        del self._data[: len(self._data) - self._limit]
        self.cut = True


def _line(raw: bytes, *, cut: bool = False) -> OutputLine:
    return OutputLine(
        raw[:LINE_BYTES].rstrip(b"\r").decode(errors="replace"), cut=cut or len(raw) > LINE_BYTES
    )
