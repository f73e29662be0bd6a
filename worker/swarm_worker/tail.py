"""Reads on in a file that a session writes, from where it ended when the session began."""

import contextlib
from pathlib import Path
from typing import Final

CHUNK_BYTES: Final = 256 * 1024


class FileTail:
    """What is new in a file; one that is not there has nothing new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        with contextlib.suppress(OSError):
            self._offset = path.stat().st_size

    def read(self) -> bytes:
        """The next piece, empty at the end."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                chunk = file.read(CHUNK_BYTES)
        except OSError:
            return b""
        self._offset += len(chunk)
        return chunk
