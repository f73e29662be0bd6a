"""The real database, one step at a time: the simulation decides when the writer thread works.

The seed, not the machine's scheduler, draws the moments between a commit, its callbacks and the next commit. A crash
can fall into each of them.
Invariant: SQL, transactions, grouping, callbacks and files are the server's own code.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from swarmd.store.database import Database
from swarmd.store.transaction import ReadTx

T = TypeVar("T")
FOLD_PAGES = 400


class SteppedDatabase(Database):
    """A database that is made and used in one thread, on one event loop."""

    def __init__(self, path: Path, *, wall_us: Callable[[], int]) -> None:
        super().__init__(path, wall_us=wall_us)
        self._queue.close()
        self._thread.join()

    @property
    def waiting(self) -> bool:
        """Returns whether a write waits."""
        return not self._queue.is_empty

    def commit(self) -> list[Any]:
        """Commits everything that waits as one group; its callers do not know it yet."""
        group = self._queue.drain()
        self._commit(group)
        if self._wal_pages > FOLD_PAGES:
            self._checkpoint(0)
        return group

    def deliver(self, group: list[Any]) -> None:
        """Reports the commit to the group's callers and to the engine's memory."""
        self._deliver(group)

    async def read(self, operation: Callable[[ReadTx], T]) -> T:
        return self._read(operation)

    def look(self, operation: Callable[[ReadTx], T]) -> T:
        """Reads outside the event loop."""
        return self._read(operation)

    def drop(self) -> None:
        """Closes the connections like the end of the process; the files were copied before."""
        self._pool.shutdown()
        for reader in self._readers:
            reader.close()
        self._writer.close()


def survivors(path: Path, folder: Path) -> Path:
    """Copies the files as the next process would find them: without memory map and lock."""
    folder.mkdir()
    for file in path.parent.iterdir():
        if not file.name.endswith(("-shm", ".reserve")):
            shutil.copyfile(file, folder / file.name)
    return folder / path.name
