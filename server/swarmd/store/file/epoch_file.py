"""A file with the highest epoch that the databases of a folder ever had.

Invariant: the file is raised before the database, and no backup contains the file. So a database from a backup, or a
new one, never begins an epoch that leases and session ids of the lost history have.
"""

from pathlib import Path
from typing import Final

from swarmd.store import failpoint
from swarmd.store.file import durable_files
from swarmd.store.file.errors import DatabaseUnusable

NAME: Final = "EPOCH"
_MAX_DIGITS: Final = 15


class EpochFile:
    """The epoch file beside one database."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(NAME)

    def highest(self) -> int:
        """Returns the highest epoch so far, 0 if there was none.

        Raises:
            DatabaseUnusable: The file has something else than a number of at most 15 digits.
        """
        try:
            text = self._path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return 0
        except (OSError, UnicodeDecodeError):
            text = ""
        # Lease ids have room for 15 digits.
        if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
            raise DatabaseUnusable(
                f"{self._path.name} beside it does not contain a number of at most 15 digits;"
                " write a higher epoch than any that was in use into it"
            )
        return int(text)

    def raise_to(self, epoch: int) -> None:
        """Stores an epoch, before the database has it; a lower one is ignored."""
        if epoch <= self.highest():
            return
        failpoint.hit("epoch.before")
        durable_files.write(self._path, f"{epoch}\n")
        failpoint.hit("epoch.after")
