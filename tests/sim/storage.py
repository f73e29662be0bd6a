"""The real database, one step at a time: the simulation runs the steps of the writer thread.

So the seed decides the order of commits, callbacks and crashes, and not the scheduler of the machine. Invariant: SQL,
transactions, grouping, callbacks and files are the server's own code.
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
    """Made and used on one event loop and in one thread."""

    def __init__(self, path: Path, *, wall_us: Callable[[], int]) -> None:
        super().__init__(path, wall_us=wall_us)
        self._queue.close()
        self._thread.join()

    @property
    def waiting(self) -> bool:
        """Whether there is something to write."""
        return not self._queue.is_empty

    def commit(self) -> list[Any]:
        """Commits everything that waits as one group; its callers don't know yet."""
        group = self._queue.drain()
        self._commit(group)
        if self._wal_pages > FOLD_PAGES:
            self._checkpoint(0)
        return group

    def deliver(self, group: list[Any]) -> None:
        """Tells the group's callers, and the memory of the engine."""
        self._deliver(group)

    async def read(self, operation: Callable[[ReadTx], T]) -> T:
        return self._read(operation)

    def look(self, operation: Callable[[ReadTx], T]) -> T:
        """A read outside the event loop."""
        return self._read(operation)

    def drop(self) -> None:
        """Ends the connections as the end of the process would; the files were copied before."""
        self._pool.shutdown()
        for reader in self._readers:
            reader.close()
        self._writer.close()


def survivors(path: Path, folder: Path) -> Path:
    """What is on the disk at this moment, as the next process finds it: no memory map, no lock."""
    folder.mkdir()
    for file in path.parent.iterdir():
        if not file.name.endswith(("-shm", ".reserve")):
            shutil.copyfile(file, folder / file.name)
    return folder / path.name
