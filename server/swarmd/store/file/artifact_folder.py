"""The folder of artifacts: each content is one file, which its SHA-256 names, so equal contents share a file.

Invariant: a content gets its name only when it is complete and on the disk.
"""

import contextlib
import hashlib
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from swarmd.store import failpoint
from swarmd.store.file import durable_files

_CONTENT: Final = re.compile(r"[0-9a-f]{64}")
_DRAFTS: Final = "drafts"
# A content without a row is left alone for this long, since its row may be on the way.
SETTLED_S: Final = 3_600.0


class ArtifactDraft:
    """A content that is being written; `size` is how many bytes it has so far."""

    def __init__(self, path: Path) -> None:
        """Creates the file; raises OSError."""
        durable_files.create(path)
        self.path = path
        self.size = 0
        self._file = path.open("wb")
        self._hash = hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        """Appends bytes; raises OSError."""
        self._file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)

    def finish(self) -> str:
        """Brings the content to the disk and returns its SHA-256; raises OSError."""
        self._file.flush()
        durable_files.sync(self.path)
        self._file.close()
        return self._hash.hexdigest()

    def discard(self) -> None:
        """Removes the file, unless it has become a content."""
        # A close writes what is still buffered, and the disk may be full.
        with contextlib.suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)


class ArtifactFolder:
    """The contents beside one database. Methods do I/O in the calling thread and may be called from several."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Without it, a content could be removed right after an upload has found that it is there.
        self._naming = threading.Lock()

    def draft(self) -> ArtifactDraft:
        """Begins a content; raises OSError."""
        drafts = self.path / _DRAFTS
        durable_files.make_folder(drafts)
        return ArtifactDraft(drafts / secrets.token_hex(16))

    def keep(self, draft: ArtifactDraft, sha256: str) -> None:
        """Gives a finished draft the name of its content, which is durable then; raises OSError."""
        target = self._place(sha256)
        durable_files.make_folder(target.parent)
        failpoint.hit("artifact.before")
        with self._naming:
            # A file of the same content is replaced by a young one, which no sweep removes before its row is there.
            durable_files.move(draft.path, target)
        failpoint.hit("artifact.after")

    def open(self, sha256: str) -> BinaryIO:
        """Opens a content for reading; raises OSError."""
        return self._place(sha256).open("rb")

    def has(self, sha256: str, *, size: int) -> bool:
        """Returns whether the content is there with that size."""
        try:
            return self._place(sha256).stat().st_size == size
        except OSError:
            return False

    def contents(self) -> Iterator[str]:
        """Yields the SHA-256 of every content."""
        for folder in self.path.glob("[0-9a-f][0-9a-f]"):
            for file in folder.iterdir():
                if _CONTENT.fullmatch(file.name):
                    yield file.name

    def remove(self, sha256: str, *, older_than_s: float) -> bool:
        """Removes a content of that age; returns whether it did."""
        place = self._place(sha256)
        with self._naming, contextlib.suppress(FileNotFoundError):
            if time.time() - place.stat().st_mtime >= older_than_s:
                place.unlink()
                return True
        return False

    def remove_drafts(self) -> None:
        """Removes what a crash has left half written; call it before any draft is begun."""
        shutil.rmtree(self.path / _DRAFTS, ignore_errors=True)

    def _place(self, sha256: str) -> Path:
        return self.path / sha256[:2] / sha256
