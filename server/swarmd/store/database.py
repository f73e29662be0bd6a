"""The open database: one writer thread, and readers beside it.

Invariant: a write returns only when it is on the disk. If its group fails, the error says what is stored: nothing
(StorageFull), or unknown (StorageFailed). After StorageFailed this process writes nothing more.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar, Final, TypeVar

import apsw

from swarmd.domain.errors import StorageFailed, StorageFull
from swarmd.store import failpoint
from swarmd.store.commit_feed import CommitFeed
from swarmd.store.file import checksums, opening
from swarmd.store.file.connections import beside, copy, disable_checkpoint_on_close
from swarmd.store.file.disk_reserve import DiskReserve
from swarmd.store.file.epoch_file import EpochFile
from swarmd.store.file.open_files import DatabaseRemoved, Header, OpenFiles
from swarmd.store.group_commit import CommitHooks, CommitOutcome, GroupCommit
from swarmd.store.replication import Replication
from swarmd.store.transaction import DAMAGE_ERRORS, ReadTx, Tx
from swarmd.store.write_queue import WriteJob, WriteQueue

T = TypeVar("T")

# Long reads (a listing, a backup) must not hold up short ones.
READERS: Final = 2
# The WAL is folded into the file at the lower mark if no job waits, else at the higher one (4 KiB a page).
CHECKPOINT_IDLE_PAGES: Final = 2_000
CHECKPOINT_BUSY_PAGES: Final = 40_000
_READ_ERRORS: Final = frozenset(
    (
        apsw.SQLITE_IOERR_READ,
        apsw.SQLITE_IOERR_SHORT_READ,
        apsw.SQLITE_IOERR_DATA,
        apsw.SQLITE_IOERR_CORRUPTFS,
    )
)


class Database:
    """The connections to one file. It is made and used on one event loop; `close` ends its threads."""

    # Tests put one in its place that watches each commit.
    group_commit: ClassVar = GroupCommit

    def __init__(
        self, path: Path, *, wall_us: Callable[[], int], vfs: str | None = None, ack_replicated: bool = False
    ) -> None:
        """Opens the file; `vfs` names SQLite's layer to the disk, which tests replace by one that fails."""
        self.path = path
        self.hooks = CommitHooks()
        # Set when this process can write nothing more, `failure` says why.
        self.failed = asyncio.Event()
        self.failure: Exception | None = None
        self._loop = asyncio.get_running_loop()
        self._vfs = vfs
        self._writer = opening.open_writer(path, vfs=vfs)
        self._reserve = DiskReserve(beside(path, ".reserve"))
        self._wal_pages = 0
        # True while the file has all of the WAL: the next commit may then begin a new WAL.
        self._folded = False
        self._writer.set_wal_hook(self._count_wal_pages)
        self._queue = WriteQueue()
        self._header = Header(path)
        # The size of the WAL proves nothing: SQLite cuts it, and so does this server on a full disk.
        wal = beside(path, "-wal")
        feed = CommitFeed(self._writer, wal)
        self.replication = Replication(feed, self._deliver, ack_replicated=ack_replicated)
        self._commits = self.group_commit(
            self._writer,
            self._queue,
            EpochFile(path),
            wall_us=wall_us,
            hooks=self.hooks,
            files=OpenFiles(self._header, (path,), (wal,)),
        )
        # Two servers could share the database if one of these were made again.
        self._all_files = OpenFiles(self._header, (path,), (wal, beside(path, "-shm"), beside(path, ".lock")))
        self._broken: StorageFailed | None = None
        self._local = threading.local()
        self._readers: list[apsw.Connection] = []
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="swarmd-reader")
        self._thread = threading.Thread(target=self._run, name="swarmd-writer", daemon=True)
        self._thread.start()

    async def write(
        self, operation: Callable[[Tx], T], *, urgent: bool = False, preemptible: bool = False
    ) -> T:
        """Runs the operation in the next group; returns its result when it is durable, raises its error.

        An urgent one, such as a kill, waits for no other that has not begun, and may use the disk reserve. A
        preemptible one, such as an import, is undone for an urgent one and runs again after it.

        Raises:
            StorageFull: Nothing is stored; a later try may succeed.
            StorageFailed: Unknown what is stored; this process writes nothing more.
        """
        if self._broken is not None:
            raise self._broken
        job = WriteJob(operation, self._loop.create_future(), urgent, preemptible)
        self._queue.add(job)
        # A caller that is cancelled must not cancel the bookkeeping of the commit.
        result: T = await asyncio.shield(job.done)
        return result

    async def read(self, operation: Callable[[ReadTx], T]) -> T:
        """Runs the operation on a snapshot of the durable data."""
        return await self._loop.run_in_executor(self._pool, self._read, operation)

    async def backup(self, target: Path) -> None:
        """Copies the database to a new file, as of one moment, while writes go on."""
        await self._loop.run_in_executor(self._pool, self._backup, target)

    def check_files(self) -> None:
        """Ends all writes if a file of the database was removed, replaced or cut short."""
        try:
            self._all_files.check()
        except DatabaseRemoved as error:
            if self._broken is None:
                self._stop_writing([], error)

    async def close(self) -> None:
        """Commits the waiting jobs, folds the WAL into the file and ends the threads."""
        self._queue.close()
        await self._loop.run_in_executor(None, self._thread.join)
        self.replication.release()
        self._pool.shutdown()
        for reader in self._readers:
            reader.close()
        if self._broken is None:
            self.check_files()
        if self._broken is None:
            self._checkpoint(apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._writer.close()
            self._header.close()
            return
        disable_checkpoint_on_close(self._writer)
        # The next start finds out how the file is, whatever this error says.
        with contextlib.suppress(apsw.Error):
            self._writer.close()
        self._header.close()

    def _read(self, operation: Callable[[ReadTx], T]) -> T:
        if self._broken is not None and isinstance(self.failure, DatabaseRemoved):
            raise self._broken
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = opening.open_reader(self.path, vfs=self._vfs)
            self._readers.append(connection)
        try:
            connection.execute("BEGIN")
            try:
                return operation(ReadTx(connection))
            finally:
                # Some errors have ended the transaction already.
                if connection.in_transaction:
                    connection.execute("END")
        except apsw.Error as error:
            self.check_files()
            if self._broken is not None and isinstance(self.failure, DatabaseRemoved):
                raise self._broken from error
            if not _is_read_error(error):
                raise
            raise StorageFailed(_read_fault(error), reading=True) from error

    def _backup(self, target: Path) -> None:
        try:
            with contextlib.closing(opening.open_reader(self.path, vfs=self._vfs)) as source:
                failpoint.hit("backup.before")
                copy(source, target)
                failpoint.hit("backup.after")
        except (apsw.Error, OSError) as error:
            if _is_read_error(error):
                raise StorageFailed(_read_fault(error), reading=True) from error
            raise StorageFull(str(error), what="the backup") from error

    def _run(self) -> None:
        while group := self._queue.drain():
            try:
                self._commit(group)
            except Exception as error:  # noqa: BLE001  # without this thread every later caller would wait forever
                self._stop_writing(group, error)
            self._loop.call_soon_threadsafe(self.replication.reply, group, self.replication.publish())
            busy = not self._queue.is_empty
            if self._wal_pages > (CHECKPOINT_BUSY_PAGES if busy else CHECKPOINT_IDLE_PAGES):
                self._checkpoint(apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _commit(self, group: list[WriteJob]) -> None:
        """Commits the group and gives each job its result or its error."""
        if self._broken is not None:
            _fail(group, self._broken)
            return
        result = self._commits.run(group, begins_wal=self._folded)
        if result.outcome is CommitOutcome.STORED:
            self._folded = False
            return
        assert result.error is not None
        self._react(group, result.outcome, result.error)

    def _react(self, group: list[WriteJob], outcome: CommitOutcome, error: Exception) -> None:
        """Does what the failure of a group asks for; each job has its end afterwards."""
        match outcome:
            case CommitOutcome.UNKNOWN:
                self._stop_writing(group, error)
            case CommitOutcome.NO_ROOM:
                self._use_reserve(group, StorageFull(str(error)))
            case CommitOutcome.NOT_WRITABLE:
                _fail(group, StorageFull(str(error)))
            case _ if len(group) > 1:
                # A bug: it must not undo the jobs that only share the commit.
                for job in group:
                    self._commit([job])
            case _:
                _fail(group, error)

    def _use_reserve(self, group: list[WriteJob], error: StorageFull) -> None:
        """Commits the urgent jobs in the room that the reserve gives up; the others fail."""
        urgent = [job for job in group if job.urgent]
        if urgent and self._reserve.release():
            _fail([job for job in group if not job.urgent], error)
            self._commit(urgent)
            self._reserve.refill()
        else:
            _fail(group, error)

    def _stop_writing(self, group: list[WriteJob], error: Exception) -> None:
        """Makes this process refuse every later write."""
        self.failure = error
        self._broken = StorageFailed(str(error))
        _fail(group, self._broken)
        self._loop.call_soon_threadsafe(self.failed.set)

    def _deliver(self, group: list[WriteJob]) -> None:
        for job in group:
            for callback in job.callbacks:
                try:
                    callback()
                except Exception as error:  # noqa: BLE001  # a defect must not hold the callers of the whole group
                    self._loop.call_exception_handler(
                        {"message": "a callback after a commit failed", "exception": error}
                    )
            if job.done.cancelled():
                continue
            if job.error is None:
                job.done.set_result(job.result)
            else:
                job.done.set_exception(job.error)
                # A cancelled caller never asks for the error.
                job.done.exception()

    def _count_wal_pages(self, _connection: apsw.Connection, _schema: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self, mode: int) -> None:
        failpoint.hit("checkpoint.before")
        try:
            pages, folded = self._writer.wal_checkpoint(mode=mode)
        except (apsw.BusyError, apsw.FullError, apsw.IOError):
            # The WAL keeps what it has; the next checkpoint tries again.
            return
        failpoint.hit("checkpoint.after")
        self._folded = pages == folded
        self._wal_pages = 0
        self._reserve.refill()


def _is_read_error(error: Exception) -> bool:
    damaged = isinstance(error, DAMAGE_ERRORS)
    return damaged or getattr(error, "extendedresult", None) in _READ_ERRORS


def _read_fault(error: Exception) -> str:
    return "a page has a wrong checksum" if checksums.is_mismatch(error) else str(error)


def _fail(group: list[WriteJob], error: Exception) -> None:
    for job in group:
        job.error, job.callbacks = error, []
