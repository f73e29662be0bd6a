"""The highest epoch that a folder's databases ever had, in a file of its own.

It is raised before the database is, and no backup holds it: so a database that was put back from a backup,
or made anew, never begins an epoch that leases and session ids of the lost history carry.
"""

from pathlib import Path
from typing import Final

from swarmd.store import failpoint
from swarmd.store.file import durable_files
from swarmd.store.file.errors import DatabaseUnusable

NAME: Final = "EPOCH"


class Epochs:
    """The file beside one database."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(NAME)

    def highest(self) -> int:
        """The highest so far, 0 if there was none."""
        try:
            text = self._path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return 0
        except (OSError, UnicodeDecodeError):
            text = ""
        if not text.isdecimal():
            raise DatabaseUnusable(
                f"{self._path.name} beside it holds no number; write a higher epoch than any that was in use into it"
            )
        return int(text)

    def raise_to(self, epoch: int) -> None:
        """Remembers an epoch, before anything carries it."""
        if epoch <= self.highest():
            return
        failpoint.hit("epoch.before")
        durable_files.write(self._path, f"{epoch}\n")
        failpoint.hit("epoch.after")
