"""What a read or a write may do inside its transaction: run named statements, record events, plan callbacks."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, Final

import apsw

from swarmd.store import deferred_writes
from swarmd.store.queries import QUERIES

Row = tuple[Any, ...]
Value = None | int | float | bytes | str

# Names no subject: the query is asked of what is stored, whatever waits.
AS_STORED: Final = ("as stored",)
# More than this many writes never wait: what they hold is memory.
MOST_LATER: Final = 1_024


class ReadTx:
    """A snapshot: every statement sees the same moment.

    A query that reads nothing but what belongs to one subject, such as a task by its key, names it as `about`.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def all(self, query: str, *, about: Hashable = None, **parameters: Value) -> list[Row]:
        """All rows of the named query."""
        self._see(about)
        return self._connection.execute(QUERIES[query], parameters).fetchall()

    def rows(self, query: str, **parameters: Value) -> Iterator[Row]:
        """The rows of the named query one by one; read them to the end before the next statement."""
        self._see(None)
        return iter(self._connection.execute(QUERIES[query], parameters))

    def one(self, query: str, *, about: Hashable = None, **parameters: Value) -> Row | None:
        """The first row of the named query."""
        self._see(about)
        return self._connection.execute(QUERIES[query], parameters).fetchone()

    def value(self, query: str, *, about: Hashable = None, **parameters: Value) -> Any:
        """The first column of the first row, None if there is no row."""
        self._see(about)
        return self._connection.execute(QUERIES[query], parameters).get

    def _see(self, about: Hashable) -> None:
        """Is told before each query what it reads, None for anything."""


class YieldToUrgent(Exception):
    """A patient write gives way to an urgent one: it is undone, and done again after it."""


class Tx(ReadTx):
    """A group of writes, one after the other.

    Each may be undone by itself. What it does by `later` is in the database before anything is read that it
    is about, before the next statement that runs at once, and before the commit.
    """

    __slots__ = (
        "_about",
        "_begun",
        "_callbacks",
        "_later",
        "_saved",
        "epoch",
        "eventful",
        "gives_way",
        "now_us",
        "torn",
    )

    def __init__(self, connection: apsw.Connection, now_us: int) -> None:
        super().__init__(connection)
        self.now_us = now_us
        # Says whether the write should give way now; None while it need not.
        self.gives_way: Callable[[], bool] | None = None
        # Whether an event was recorded: then those who follow are woken.
        self.eventful = False
        # The epoch that this write began, if it did: it must be known outside the database before.
        self.epoch: int | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._later: list[deferred_writes.Write] = []
        # What they are about; more than that if some were undone.
        self._about: set[Hashable] = set()
        # How many of them are of the writes before this one; None outside of one.
        self._begun: int | None = None
        # Whether this write has a savepoint: it has one as soon as it has touched the database.
        self._saved = False
        # Whether writes of others may be half made: then nothing of the group may be committed.
        self.torn = False

    def run(self, query: str, **parameters: Value) -> int:
        """Runs the named statement; returns how many rows it changed."""
        self._touch()
        self._connection.execute(QUERIES[query], parameters)
        return self._connection.changes()

    def run_many(self, query: str, parameters: Iterable[Mapping[str, Value]]) -> None:
        """Runs the named statement once for each set of parameters."""
        self._touch()
        self._connection.executemany(QUERIES[query], map(self._giving_way, parameters))

    def later(self, query: str, about: tuple[Hashable, ...], **parameters: Value) -> None:
        """Runs the named statement later, together with others of its kind.

        It is one of `KINDS`; `about` says all that queries may ask for which would see the change.
        """
        if self.gives_way is not None:
            self._give_way()
        self._later.append((query, deferred_writes.picker(query)(parameters)))
        self._about.update(about)
        if len(self._later) >= MOST_LATER:
            self.settle()

    def settle(self) -> None:
        """Makes all writes that wait."""
        begun, writes = self._begun or 0, self._later
        self._later = []
        self._about.clear()
        if self._begun is not None and not self._saved:
            # Those before are not of this write, so they stay when it is undone.
            self.torn = True
            deferred_writes.write(self._connection, writes[:begun])
            self.torn = False
            self._connection.execute("SAVEPOINT job")
            self._begun, self._saved = 0, True
            writes = writes[begun:]
        deferred_writes.write(self._connection, writes)

    def waits(self, subjects: Iterable[Hashable]) -> bool:
        """Whether a write about one of these still waits."""
        return not self._about.isdisjoint(subjects)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Runs the callback on the event loop once this write is durable; never if it is undone."""
        self._callbacks.append(callback)

    def take_callbacks(self) -> list[Callable[[], None]]:
        """Hands over the callbacks planned so far."""
        callbacks, self._callbacks = self._callbacks, []
        return callbacks

    def begin(self) -> None:
        """The next write begins."""
        self._begun, self._saved = len(self._later), False

    def undo(self) -> None:
        """Leaves nothing of the write that has begun."""
        del self._later[self._begun :]
        self._callbacks = []
        if self._saved:
            self._connection.execute("ROLLBACK TO job")

    def end(self) -> None:
        """The write that has begun is over."""
        if self._saved:
            self._connection.execute("RELEASE job")
        self._begun, self._saved = None, False

    def _see(self, about: Hashable) -> None:
        if self._later and (about is None or about in self._about):
            self.settle()

    def _touch(self) -> None:
        """Comes before each statement that changes something at once."""
        self._give_way()
        if self._later or (self._begun is not None and not self._saved):
            self.settle()

    def _giving_way(self, parameters: Mapping[str, Value]) -> Mapping[str, Value]:
        self._give_way()
        return parameters

    def _give_way(self) -> None:
        if self.gives_way is not None and self.gives_way():
            raise YieldToUrgent
