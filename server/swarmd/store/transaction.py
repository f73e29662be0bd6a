"""What a read or a write may do inside its transaction: run named statements, record events, plan callbacks."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import apsw

from swarmd.store.queries import QUERIES

Row = tuple[Any, ...]
Value = None | int | float | bytes | str


class ReadTx:
    """A snapshot: every statement sees the same moment."""

    __slots__ = ("_connection",)

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def all(self, query: str, **parameters: Value) -> list[Row]:
        """All rows of the named query."""
        return self._connection.execute(QUERIES[query], parameters).fetchall()

    def rows(self, query: str, **parameters: Value) -> Iterator[Row]:
        """The rows of the named query one by one; read them to the end before the next statement."""
        return iter(self._connection.execute(QUERIES[query], parameters))

    def one(self, query: str, **parameters: Value) -> Row | None:
        """The first row of the named query."""
        return self._connection.execute(QUERIES[query], parameters).fetchone()

    def value(self, query: str, **parameters: Value) -> Any:
        """The first column of the first row, None if there is no row."""
        return self._connection.execute(QUERIES[query], parameters).get


class Yielded(Exception):
    """A patient write gives way to an urgent one: it is undone, and done again after it."""


class Tx(ReadTx):
    """One write of a group."""

    __slots__ = ("_callbacks", "epoch", "eventful", "gives_way", "now_us")

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

    def run(self, query: str, **parameters: Value) -> int:
        """Runs the named statement; returns how many rows it changed."""
        self._give_way()
        self._connection.execute(QUERIES[query], parameters)
        return self._connection.changes()

    def run_many(self, query: str, parameters: Iterable[Mapping[str, Value]]) -> None:
        """Runs the named statement once for each set of parameters."""
        self._connection.executemany(QUERIES[query], map(self._giving_way, parameters))

    def insert(self, query: str, **parameters: Value) -> int:
        """Runs the named INSERT; returns the new row's key."""
        self._give_way()
        self._connection.execute(QUERIES[query], parameters)
        return self._connection.last_insert_rowid()

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Runs the callback on the event loop once this write is durable; never if it is undone."""
        self._callbacks.append(callback)

    def take_callbacks(self) -> list[Callable[[], None]]:
        """Hands over the callbacks planned so far."""
        callbacks, self._callbacks = self._callbacks, []
        return callbacks

    def _giving_way(self, parameters: Mapping[str, Value]) -> Mapping[str, Value]:
        self._give_way()
        return parameters

    def _give_way(self) -> None:
        if self.gives_way is not None and self.gives_way():
            raise Yielded
