"""The operations inside a transaction: named statements, deferred writes, savepoints, callbacks after the commit."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final

import apsw

from swarmd.store.deferred_writes import DeferredWrites
from swarmd.store.ordered_by import NOBODY
from swarmd.store.queries import QUERIES

Row = tuple[Any, ...]
Value = None | int | float | bytes | str

# A subject that no deferred write has: the query reads only what is in the database.
IGNORE_DEFERRED: Final = ("ignore deferred",)
# A transaction holds at most this many deferred writes in memory.
MAX_DEFERRED: Final = 1_024

# An error of the database itself: the whole group is undone and never a single job.
NO_ROOM_ERRORS: Final = (apsw.FullError,)
NOT_WRITABLE_ERRORS: Final = (apsw.IOError, apsw.NoMemError, apsw.BusyError, apsw.CantOpenError)
DAMAGE_ERRORS: Final = (apsw.CorruptError, apsw.NotADBError)
STORAGE_ERRORS: Final = (*NO_ROOM_ERRORS, *NOT_WRITABLE_ERRORS, *DAMAGE_ERRORS)


class ReadTx:
    """A snapshot: every statement sees the same moment.

    A query that reads only the rows of one subject, such as a task by its key, names the `subject`. Other queries
    leave it None.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def all(self, query: str, *, subject: Hashable = None, **parameters: Value) -> list[Row]:
        """Returns all rows of the named query."""
        self._before_read(subject)
        return self._connection.execute(QUERIES[query], parameters).fetchall()

    def rows(self, query: str, **parameters: Value) -> Iterator[Row]:
        """Returns the rows of the named query one by one; read them to the end before the next statement."""
        self._before_read(None)
        return iter(self._connection.execute(QUERIES[query], parameters))

    def one(self, query: str, *, subject: Hashable = None, **parameters: Value) -> Row | None:
        """Returns the first row of the named query, None if it has no row."""
        self._before_read(subject)
        return self._connection.execute(QUERIES[query], parameters).fetchone()

    def value(self, query: str, *, subject: Hashable = None, **parameters: Value) -> Any:
        """Returns the first column of the first row, None if the query has no row."""
        self._before_read(subject)
        return self._connection.execute(QUERIES[query], parameters).get

    def _before_read(self, subject: Hashable) -> None:
        """Runs before each query; without a `subject` the query may read anything."""


class YieldToUrgent(Exception):
    """A preemptible job makes way for an urgent one: it is undone, and runs again after the urgent one."""


class Tx(ReadTx):
    """A group of jobs that share one commit; each job runs inside `savepoint()`.

    Invariant: deferred writes are flushed before a query that names one of their subjects, before the next
    statement that runs at once, and before the commit. So callers never notice that a write was deferred.
    """

    __slots__ = (
        "_callbacks", "_deferred", "_savepoint", "epoch", "group_corrupt", "has_events", "now_us", "ordered_by",
        "should_yield",
    )  # fmt: skip

    def __init__(self, connection: apsw.Connection, now_us: int) -> None:
        super().__init__(connection)
        self.now_us = now_us
        # Whose order the running job is; what follows from the whole group is nobody's.
        self.ordered_by = NOBODY
        # Asks whether an urgent job waits; None while the running job is not preemptible.
        self.should_yield: Callable[[], bool] | None = None
        # True once an event was recorded: then the readers of the event feed are woken.
        self.has_events = False
        # The epoch that a job began: it is written to the epoch file before the commit.
        self.epoch: int | None = None
        # True while deferred writes of earlier jobs are half made: then nothing of the group may be committed.
        self.group_corrupt = False
        self._callbacks: list[Callable[[], None]] = []
        self._deferred = DeferredWrites(connection)
        self._savepoint: Savepoint | None = None

    def run(self, query: str, **parameters: Value) -> int:
        """Runs the named statement; returns the number of rows that it changed."""
        self._before_write()
        self._connection.execute(QUERIES[query], parameters)
        return self._connection.changes()

    def run_many(self, query: str, parameters: Iterable[Mapping[str, Value]]) -> None:
        """Runs the named statement once for each set of parameters."""
        self._before_write()
        self._connection.executemany(QUERIES[query], map(self._yielding, parameters))

    def defer(self, query: str, subjects: tuple[Hashable, ...], **values: Value) -> None:
        """Adds a row to a statement that a later flush runs; see `DeferredWrites.defer`."""
        if self.should_yield is not None:
            self._yield_to_urgent()
        if self._deferred.defer(query, subjects, values) >= MAX_DEFERRED:
            self.flush()

    def flush(self) -> None:
        """Makes all deferred writes."""
        if self._savepoint is not None:
            self._savepoint.open()
        self._deferred.flush()

    def has_deferred(self, subjects: Iterable[Hashable]) -> bool:
        """Returns True if a write about one of the subjects is deferred."""
        return any(map(self._deferred.has, subjects))

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Plans a callback on the event loop for when this job is durable; it never runs if the job is undone."""
        self._callbacks.append(callback)

    def pop_callbacks(self) -> list[Callable[[], None]]:
        """Returns the callbacks planned so far and forgets them."""
        callbacks, self._callbacks = self._callbacks, []
        return callbacks

    def savepoint(self) -> "Savepoint":
        """Returns the context of one job: an error inside undoes this job alone.

        A storage error undoes nothing, nor does an error while `group_corrupt`: then the caller undoes the group.
        """
        return Savepoint(self, self._connection, self._deferred)

    def _before_read(self, subject: Hashable) -> None:
        if self._deferred.has(subject):
            self.flush()

    def _before_write(self) -> None:
        """Runs before each statement that changes the database at once."""
        if self.should_yield is not None:
            self._yield_to_urgent()
        self.flush()

    def _yielding(self, parameters: Mapping[str, Value]) -> Mapping[str, Value]:
        self._yield_to_urgent()
        return parameters

    def _yield_to_urgent(self) -> None:
        if self.should_yield is not None and self.should_yield():
            raise YieldToUrgent


class Savepoint:
    """The part of a transaction that belongs to one job.

    Performance: the SQL savepoint is opened at the job's first statement that touches the database; a job that only
    defers writes needs none (docs/performance.md).
    """

    __slots__ = ("_connection", "_deferred", "_earlier", "_epoch", "_is_open", "_tx")

    def __init__(self, tx: Tx, connection: apsw.Connection, deferred: DeferredWrites) -> None:
        self._tx = tx
        self._connection = connection
        self._deferred = deferred
        self._epoch = tx.epoch
        # The number of deferred writes that belong to earlier jobs.
        self._earlier = len(deferred)
        self._is_open = False

    def __enter__(self) -> None:
        self._tx._savepoint = self  # noqa: SLF001  # the two classes are one mechanism

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tx._savepoint = None  # noqa: SLF001
        if isinstance(error, STORAGE_ERRORS) or self._tx.group_corrupt:
            return
        if error is not None:
            self._undo()
        if self._is_open:
            self._connection.execute("RELEASE job")

    def open(self) -> None:
        """Begins the SQL savepoint, if that has not been done.

        Writes that earlier jobs deferred are made before it, so that an undo of this job keeps them.
        """
        if self._is_open:
            return
        self._tx.group_corrupt = True
        self._deferred.flush(self._earlier)
        self._tx.group_corrupt = False
        self._connection.execute("SAVEPOINT job")
        self._earlier, self._is_open = 0, True

    def _undo(self) -> None:
        self._deferred.discard(self._earlier)
        self._tx.pop_callbacks()
        self._tx.epoch = self._epoch
        if self._is_open:
            self._connection.execute("ROLLBACK TO job")
