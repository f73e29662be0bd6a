"""Writes that wait in memory, so that SQLite makes many writes of a kind in one statement.

Performance: a row of a multi-row statement costs half of a statement of its own, and SQLite works through the rows
without the interpreter lock, which the event loop has meanwhile (docs/performance.md). `json_each(:rows)` in place
of `VALUES` gains nothing: the extraction of the values costs what the shared statement saves.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, Final

import apsw

from swarmd.store.queries import batch, batch_text

Values = tuple[Any, ...]

# The statements that may be deferred, in the order in which a flush runs them. `attempt_end` precedes
# `session_end_of_attempt`, which ends the sessions whose own end was not reported. `name_add` makes the names that
# `name_hold` and `task_wait` refer to.
DEFERRABLE: Final = (
    "attempt_add", "name_add", "name_hold", "session_add", "attempt_start", "session_use", "session_log_add",
    "session_end", "attempt_end", "session_end_of_attempt", "task_save", "task_wait", "task_wait_for_plan", "event_add",
)  # fmt: skip
# The numbers of rows of a statement: few, so that each text stays prepared.
BATCH_SIZES: Final = (32, 16, 8, 4, 2, 1)


class DeferredWrites:
    """The deferred writes of one transaction, with the subjects that they are about."""

    __slots__ = ("_connection", "_subjects", "_writes")

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._writes: list[tuple[str, Values]] = []
        # After a discard this set names subjects without a write: a needless flush does no harm.
        self._subjects: set[Hashable] = set()

    def __len__(self) -> int:
        return len(self._writes)

    def defer(self, query: str, subjects: Iterable[Hashable], values: Mapping[str, Any]) -> int:
        """Adds one row for the named statement, which is one of `DEFERRABLE`; returns the number of rows.

        `subjects` names everything by which a query may ask for the changed row.
        """
        writes = self._writes
        writes.append((query, row_of(query)(values)))
        self._subjects.update(subjects)
        return len(writes)

    def has(self, subject: Hashable) -> bool:
        """Returns True if a write about the subject is deferred; None stands for any subject."""
        return bool(self._writes) and (subject is None or subject in self._subjects)

    def flush(self, count: int | None = None) -> None:
        """Makes the first `count` writes, or all; keeps their order within each statement."""
        if not self._writes or count == 0:
            return
        writes = self._writes[:count]
        del self._writes[:count]
        if not self._writes:
            self._subjects.clear()
        _run(self._connection, writes)

    def discard(self, keep: int) -> None:
        """Drops all writes but the first `keep`."""
        del self._writes[keep:]


@cache
def row_of(query: str) -> Callable[[Mapping[str, Any]], Values]:
    """Returns the function that brings named values into the order of the statement's row."""
    first, *others = batch(query).columns
    if not others:
        return lambda values: (values[first],)
    return itemgetter(first, *others)


def _run(connection: apsw.Connection, writes: Sequence[tuple[str, Values]]) -> None:
    by_query: dict[str, list[Values]] = {query: [] for query in DEFERRABLE}
    for query, values in writes:
        by_query[query].append(values)
    for query, rows in by_query.items():
        for batch_rows in _conflict_free_batches(rows, batch(query).key) if rows else ():
            _run_batch(connection, query, batch_rows)


def _conflict_free_batches(rows: Sequence[Values], key: int | None) -> list[Sequence[Values]]:
    """Splits the rows so that no batch changes a row twice: a statement sees each row of a table once."""
    if key is None or len({row[key] for row in rows}) == len(rows):
        return [rows]
    batches: list[list[Values]] = []
    seen: set[Any] = set()
    for row in rows:
        if not batches or row[key] in seen:
            batches.append([])
            seen.clear()
        batches[-1].append(row)
        seen.add(row[key])
    return list(batches)


def _run_batch(connection: apsw.Connection, query: str, rows: Sequence[Values]) -> None:
    start = 0
    for size in BATCH_SIZES:
        while start + size <= len(rows):
            values = [value for row in rows[start : start + size] for value in row]
            connection.execute(batch_text(query, size), values)
            start += size
