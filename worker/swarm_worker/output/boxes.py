"""The text of boxes that programs draw around errors on a terminal."""

from typing import Final

from swarm_worker.output.json_objects import plain_text

_TOPS: Final = ("╭", "┌", "┏", "╔")
_BOTTOMS: Final = ("╰", "└", "┗", "╚")
# The rest of a longer box is left out.
BOX_CHARS: Final = 2_000


class BoxReader:
    """A reader of lines that returns what each says, and for the end of a box all that the box says."""

    def __init__(self) -> None:
        self._box: list[str] | None = None

    def read(self, line: str) -> str:
        """Returns the words of the line without its frame; at the end of a box, the words of the whole box."""
        words = " ".join(plain_text(line).split())
        if any(corner in line for corner in _TOPS):
            self._box = [words] if words else []
            return words
        if self._box is None:
            return words
        if words and sum(map(len, self._box)) < BOX_CHARS:
            self._box.append(words)
        if any(corner in line for corner in _BOTTOMS):
            words, self._box = " ".join(self._box), None
        return words
