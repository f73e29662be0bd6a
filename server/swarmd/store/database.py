"""The database in use: one writer thread, readers beside it.

Everything that waits to be written is one transaction, so that durability costs one fsync a group, not one a
call; each write can be undone by itself. A write has returned only when it is on the disk. A group that fails tells
every caller in it the truth: nothing was stored (StorageFull), or nobody knows (StorageFailed), and then
nothing is ever written again by this process.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import apsw

from swarmd.domain.errors import StorageFailed, StorageFull
from swarmd.store import failpoint
from swarmd.store.file import checksums, opening, wal_lineage
from swarmd.store.file.connections import beside, copy, leave_as_is
from swarmd.store.file.disk_reserve import Reserve
from swarmd.store.file.epoch_file import Epochs
from swarmd.store.transaction import ReadTx, Tx, YieldToUrgent
from swarmd.store.write_queue import Job, WriteQueue

T = TypeVar("T")

# Long reads (a listing, a backup) must not hold up short ones.
READERS: Final = 2
# The WAL is folded into the file when nobody waits, or at the latest at the higher mark (4 KiB a page).
CHECKPOINT_IDLE_PAGES: Final = 2_000
CHECKPOINT_BUSY_PAGES: Final = 40_000

_NO_ROOM: Final = (apsw.FullError,)
_NOT_WRITABLE: Final = (apsw.IOError, apsw.NoMemError, apsw.BusyError, apsw.CantOpenError)
_DAMAGED: Final = (apsw.CorruptError, apsw.NotADBError)


class Database:
    """Owns the connections. Made and used on one event loop; `close` ends its threads."""

    def __init__(
        self,
        path: Path,
        *,
        wall_us: Callable[[], int],
        before_commit: Callable[[Tx], None] = lambda _tx: None,
        vfs: str | None = None,
    ) -> None:
        """Opens the file; `before_commit` runs once a group, inside its transaction, after its writes.

        `vfs` names the way to the disk; tests have one that fails.
        """
        self.path = path
        self.before_commit = before_commit
        # Runs when a group is undone as a whole: what `before_commit` noted in memory is not so.
        self.after_undo: Callable[[], None] = lambda: None
        # Is told, on the writer's thread, how long a commit took and how many writes were in it.
        self.after_commit: Callable[[float, int], None] = lambda _lasted_s, _writes: None
        self.failed = asyncio.Event()
        self._wall_us = wall_us
        self._loop = asyncio.get_running_loop()
        self._vfs = vfs
        self._writer = opening.open_writer(path, vfs=vfs)
        self._epochs = Epochs(path)
        self._reserve = Reserve(beside(path, ".reserve"))
        self._wal_pages = 0
        # Whether the file has taken in all of the WAL: then the next commit may begin a new one.
        self._folded = False
        self._writer.set_wal_hook(self._count_wal_pages)
        self._backlog = WriteQueue()
        self._broken: StorageFailed | None = None
        self._local = threading.local()
        self._readers: list[apsw.Connection] = []
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="swarmd-reader")
        self._thread = threading.Thread(target=self._run, name="swarmd-writer", daemon=True)
        self._thread.start()

    async def write(self, operation: Callable[[Tx], T], *, urgent: bool = False, patient: bool = False) -> T:
        """Runs the operation in the next group; returns when it is durable, raises what it raised.

        An urgent one, such as a kill, waits for no other that has not begun, and may use the room that is kept
        for it when the disk is full. A patient one, such as an import, is undone for it and begun anew after it.
        """
        if self._broken is not None:
            raise self._broken
        job = Job(operation, self._loop.create_future(), urgent, patient)
        self._backlog.put(job)
        # A caller that goes away must not take the commit's bookkeeping with it.
        result: T = await asyncio.shield(job.done)
        return result

    async def read(self, operation: Callable[[ReadTx], T]) -> T:
        """Runs the operation on a snapshot of what is durable."""
        return await self._loop.run_in_executor(self._pool, self._read, operation)

    async def backup(self, target: Path) -> None:
        """Copies the database to a new file, as of one moment, while it is in use."""
        await self._loop.run_in_executor(self._pool, self._backup, target)

    async def close(self) -> None:
        """Writes what waits, folds the WAL into the file and ends the threads."""
        self._backlog.close()
        await self._loop.run_in_executor(None, self._thread.join)
        self._pool.shutdown()
        for reader in self._readers:
            reader.close()
        if self._broken is None:
            self._checkpoint(apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._writer.close()
            return
        leave_as_is(self._writer)
        # Whatever it says, the next start finds out how the file is.
        with contextlib.suppress(apsw.Error):
            self._writer.close()

    def _read(self, operation: Callable[[ReadTx], T]) -> T:
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = opening.open_reader(self.path, vfs=self._vfs)
            self._readers.append(connection)
        connection.execute("BEGIN")
        try:
            return operation(ReadTx(connection))
        finally:
            connection.execute("END")

    def _backup(self, target: Path) -> None:
        source = opening.open_reader(self.path, vfs=self._vfs)
        try:
            failpoint.hit("backup.before")
            copy(source, target)
            failpoint.hit("backup.after")
        finally:
            source.close()

    def _run(self) -> None:
        while group := self._backlog.take():
            self._commit(group)
            self._loop.call_soon_threadsafe(self._deliver, group)
            busy = self._backlog.waiting
            if self._wal_pages > (CHECKPOINT_BUSY_PAGES if busy else CHECKPOINT_IDLE_PAGES):
                self._checkpoint(apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _commit(self, group: list[Job]) -> None:
        """Makes one transaction of the group; it may be cut short for what is urgent."""
        if self._broken is not None:
            _fail(group, self._broken)
            return
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            tx = Tx(self._writer, self._wall_us())
            if self._folded:
                wal_lineage.begin(tx)
            self._apply_all(tx, group)
            self.before_commit(tx)
            tx.settle()
            group[-1].callbacks += tx.take_callbacks()
            if tx.epoch is not None:
                self._epochs.raise_to(tx.epoch)
        except Exception as error:  # noqa: BLE001  # whatever it was, each caller must be told
            # Nothing of the group reached COMMIT, so nothing of it is stored.
            self._undo(group, error)
            return
        self._end(group)

    def _apply_all(self, tx: Tx, group: list[Job]) -> None:
        """Runs the writes in turn; what urgent comes meanwhile takes the place of all that are left."""
        number = 0
        while number < len(group):
            if not group[number].urgent and (urgent := self._backlog.take_urgent()):
                self._backlog.put_back(group[number:])
                group[number:] = urgent
            if self._apply(tx, group[number]):
                number += 1

    def _apply(self, tx: Tx, job: Job) -> bool:
        """Runs one write; a refusal undoes this one alone. Says whether it has been done."""
        tx.begin()
        epoch, job.error, job.callbacks = tx.epoch, None, []
        # Once is enough: a rain of urgent ones must not keep it from ever being done.
        tx.gives_way, job.patient = self._backlog.pressed if job.patient else None, False
        try:
            job.result = job.operation(tx)
        except (*_NO_ROOM, *_NOT_WRITABLE, *_DAMAGED):
            raise
        except Exception as error:
            if tx.torn:
                raise
            # A bug in one write must not take the others down.
            job.error = error
            tx.undo()
            tx.epoch = epoch
        else:
            job.callbacks = tx.take_callbacks()
        finally:
            tx.gives_way = None
        tx.end()
        return not isinstance(job.error, YieldToUrgent)

    def _end(self, group: list[Job]) -> None:
        failpoint.hit("commit.before")
        begun_s = time.perf_counter()
        try:
            self._writer.execute("COMMIT")
        except apsw.FullError as error:
            self._undo(group, error)
        except apsw.Error as error:
            # A commit that failed may be on the disk all the same; only a restart can tell.
            self._break(group, error)
        else:
            self._folded = False
            failpoint.hit("commit.after")
            self.after_commit(time.perf_counter() - begun_s, len(group))

    def _undo(self, group: list[Job], error: Exception) -> None:
        """Makes sure that nothing of the group is stored, and tells its callers."""
        try:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        except apsw.Error as worse:
            self._break(group, worse)
            return
        self.after_undo()
        if isinstance(error, _DAMAGED) or checksums.is_mismatch(error):
            self._break(group, error)
        elif isinstance(error, _NO_ROOM):
            self._make_room(group, StorageFull(str(error)))
        elif isinstance(error, (*_NOT_WRITABLE, OSError)):
            _fail(group, StorageFull(str(error)))
        elif len(group) > 1:
            # A bug: it must not take down those that only share the commit.
            for job in group:
                self._commit([job])
        else:
            _fail(group, error)

    def _make_room(self, group: list[Job], error: StorageFull) -> None:
        """Uses the reserve for what is urgent; the rest must wait until there is room."""
        urgent = [job for job in group if job.urgent]
        if urgent and self._reserve.release():
            _fail([job for job in group if not job.urgent], error)
            self._commit(urgent)
            self._reserve.refill()
        else:
            _fail(group, error)

    def _break(self, group: list[Job], error: Exception) -> None:
        """Ends all writing of this process."""
        self._broken = StorageFailed(str(error))
        _fail(group, self._broken)
        self._loop.call_soon_threadsafe(self.failed.set)

    def _deliver(self, group: list[Job]) -> None:
        for job in group:
            for callback in job.callbacks:
                callback()
            if job.done.cancelled():
                continue
            if job.error is None:
                job.done.set_result(job.result)
            else:
                job.done.set_exception(job.error)
                # A caller that has gone away never asks for the error.
                job.done.exception()

    def _count_wal_pages(self, _connection: apsw.Connection, _schema: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self, mode: int) -> None:
        failpoint.hit("checkpoint.before")
        try:
            pages, taken_in = self._writer.wal_checkpoint(mode=mode)
        except (apsw.BusyError, apsw.FullError, apsw.IOError):
            # The WAL keeps what it has; the next checkpoint tries again.
            return
        failpoint.hit("checkpoint.after")
        self._folded = pages == taken_in
        self._wal_pages = 0
        self._reserve.refill()


def _fail(group: list[Job], error: Exception) -> None:
    for job in group:
        job.error, job.callbacks = error, []
