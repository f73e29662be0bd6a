"""The note beside a clone: the attempt that it belongs to, for the process after one that was killed."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

NAME: Final = "attempt.json"


@dataclass(frozen=True, slots=True)
class AttemptNote:
    """An attempt, and the message and trailers of the commit that keeps its work."""

    task_id: str
    attempt: int
    message: str
    trailers: Mapping[str, str]
    # Set when the attempt's workspace is closed: no session uses the clone any more.
    ended: bool = False


def write_note(folder: Path, note: AttemptNote) -> None:
    """Writes the note. Raises OSError."""
    (folder / NAME).write_text(json.dumps(asdict(note)) + "\n", encoding="utf-8")


def read_note(folder: Path) -> AttemptNote:
    """Reads the note.

    Raises:
        OSError: there is none.
        ValueError: it is not one.
    """
    try:
        return AttemptNote(**json.loads((folder / NAME).read_text(encoding="utf-8")))
    except TypeError as error:
        raise ValueError(f"{folder / NAME} is not a note of this version: {error}") from error
