"""Group commit: one transaction for all jobs that wait, and what an error in it means for them.

Durability so costs one fsync for a group instead of one for each job. Invariant: `run` leaves no transaction open,
and its result says whether the group is stored.
"""

import enum
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import apsw

from swarmd.store import failpoint
from swarmd.store.file import checksums, wal_lineage
from swarmd.store.file.epoch_file import EpochFile
from swarmd.store.file.open_files import DatabaseRemoved, OpenFiles
from swarmd.store.ordered_by import NOBODY
from swarmd.store.transaction import (
    DAMAGE_ERRORS,
    NO_ROOM_ERRORS,
    NOT_WRITABLE_ERRORS,
    STORAGE_ERRORS,
    Tx,
    YieldToUrgent,
)
from swarmd.store.write_queue import WriteJob, WriteQueue


class CommitOutcome(enum.Enum):
    """The ways in which a group ends."""

    STORED = enum.auto()
    # In all of these but UNKNOWN nothing of the group is stored.
    NO_ROOM = enum.auto()
    NOT_WRITABLE = enum.auto()
    BUG = enum.auto()
    # Only a restart can find out what is stored.
    UNKNOWN = enum.auto()


@dataclass(frozen=True, slots=True)
class CommitResult:
    """The end of a group: the error that ended it, or the duration of its COMMIT."""

    outcome: CommitOutcome
    error: Exception | None = None
    commit_s: float = 0.0


@dataclass
class CommitHooks:
    """The callbacks of one database; all run on the writer's thread."""

    # Runs in each group after its jobs, inside the transaction.
    before_commit: Callable[[Tx], None] = lambda _tx: None
    # Runs when a group is undone as a whole: then what `before_commit` noted in memory is wrong.
    after_rollback: Callable[[], None] = lambda: None
    # Receives the seconds that a COMMIT took and the number of jobs in it.
    after_commit: Callable[[float, int], None] = lambda _commit_s, _jobs: None


# The first fitting row decides. After SQLite has found damage, the rest can't be trusted either.
_OUTCOMES: Final[tuple[tuple[tuple[type[Exception], ...], CommitOutcome], ...]] = (
    ((*DAMAGE_ERRORS, DatabaseRemoved), CommitOutcome.UNKNOWN),
    (NO_ROOM_ERRORS, CommitOutcome.NO_ROOM),
    ((*NOT_WRITABLE_ERRORS, OSError), CommitOutcome.NOT_WRITABLE),
    ((Exception,), CommitOutcome.BUG),
)


class GroupCommit:
    """The transactions of the writer's connection."""

    def __init__(
        self,
        connection: apsw.Connection,
        queue: WriteQueue,
        epochs: EpochFile,
        *,
        wall_us: Callable[[], int],
        hooks: CommitHooks,
        files: OpenFiles,
    ) -> None:
        self._connection = connection
        self._queue = queue
        self._epochs = epochs
        self._wall_us = wall_us
        self._hooks = hooks
        self._files = files

    def run(self, group: list[WriteJob], *, begins_wal: bool) -> CommitResult:
        """Runs the jobs in one transaction and commits it; `group` changes when urgent jobs come meanwhile.

        Each job that is refused has its error and is undone alone.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            tx = Tx(self._connection, self._wall_us())
            if begins_wal:
                wal_lineage.set_mark(tx)
            self._run_jobs(tx, group)
            self._hooks.before_commit(tx)
            tx.flush()
            group[-1].callbacks += tx.pop_callbacks()
            if tx.epoch is not None:
                self._epochs.raise_to(tx.epoch)
            # Once before the commit, so that no reader sees the group, and once after it: then it is durable.
            self._files.check()
        except Exception as error:  # noqa: BLE001  # each caller must hear of it, whatever it is
            return self._roll_back(self._cause(error))
        return self._commit(len(group))

    def _cause(self, error: Exception) -> Exception:
        """Returns the loss of a file, if there is one, since any error may come from it."""
        try:
            self._files.check()
        except DatabaseRemoved as loss:
            return loss
        return error

    def _run_jobs(self, tx: Tx, group: list[WriteJob]) -> None:
        """Runs the jobs in turn; urgent jobs that come meanwhile replace all jobs that have not begun."""
        number = 0
        while number < len(group):
            if not group[number].urgent and (urgent := self._queue.drain_urgent()):
                self._queue.requeue(group[number:])
                group[number:] = urgent
            if self._run_job(tx, group[number]):
                number += 1

    def _run_job(self, tx: Tx, job: WriteJob) -> bool:
        """Runs one job; returns False if it has made way for an urgent one."""
        job.error, job.callbacks = None, []
        # A job makes way once: many urgent ones must not keep it from ever being done.
        tx.should_yield, job.preemptible = self._queue.has_urgent if job.preemptible else None, False
        tx.ordered_by = job.ordered_by
        try:
            with tx.savepoint():
                job.result = job.operation(tx)
        except STORAGE_ERRORS:
            raise
        except Exception as error:
            if tx.group_corrupt:
                raise
            # A bug in one job must not undo the others.
            job.error = error
        else:
            job.callbacks = tx.pop_callbacks()
        finally:
            tx.should_yield, tx.ordered_by = None, NOBODY
        return not isinstance(job.error, YieldToUrgent)

    def _commit(self, jobs: int) -> CommitResult:
        failpoint.hit("commit.before")
        start_s = time.perf_counter()
        try:
            self._connection.execute("COMMIT")
        except apsw.FullError as error:
            return self._roll_back(error)
        except apsw.Error as error:
            # A commit that failed may be on the disk all the same.
            return CommitResult(CommitOutcome.UNKNOWN, error)
        commit_s = time.perf_counter() - start_s
        failpoint.hit("commit.after")
        try:
            self._files.check()
        except DatabaseRemoved as error:
            return CommitResult(CommitOutcome.UNKNOWN, error)
        self._hooks.after_commit(commit_s, jobs)
        return CommitResult(CommitOutcome.STORED, commit_s=commit_s)

    def _roll_back(self, error: Exception) -> CommitResult:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error as worse:
            return CommitResult(CommitOutcome.UNKNOWN, worse)
        self._hooks.after_rollback()
        return CommitResult(_classify(error), error)


def _classify(error: Exception) -> CommitOutcome:
    if checksums.is_mismatch(error):
        return CommitOutcome.UNKNOWN
    return next(outcome for kinds, outcome in _OUTCOMES if isinstance(error, kinds))
