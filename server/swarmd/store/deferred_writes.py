"""Writes that wait for others of their kind, so that SQLite makes many of them in one statement.

A statement of many rows costs half of what its rows cost one by one, and SQLite works through it without the
interpreter, which the event loop has meanwhile.
"""

from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, Final

import apsw

from swarmd.store.queries import QUERIES, Statement, many

Values = tuple[Any, ...]
Write = tuple[str, Values]

# All that may wait, in the order in which it is made: an attempt's end also ends those of its sessions whose own
# end was not reported.
KINDS: Final = (
    "attempt_add", "session_add", "attempt_start", "session_use", "session_log_add", "session_end", "attempt_end",
    "session_end_of_attempt", "task_save", "event_add",
)  # fmt: skip
# How many rows a statement has: few sizes, so that each stays prepared.
SIZES: Final = (32, 16, 8, 4, 2, 1)


@cache
def picker(query: str) -> Callable[[dict[str, Any]], Values]:
    """What brings the named statement's parameters into the order of its rows."""
    return itemgetter(*Statement(QUERIES[query]).names)


def write(connection: apsw.Connection, writes: Sequence[Write]) -> None:
    """Makes the writes, kind after kind; those of a kind in turn."""
    kinds: dict[str, list[Values]] = {query: [] for query in KINDS}
    for query, values in writes:
        kinds[query].append(values)
    for query, rows in kinds.items():
        for run in _runs(rows, _key(query)) if rows else ():
            _write(connection, query, run)


def _runs(rows: Sequence[Values], key: int | None) -> list[Sequence[Values]]:
    """The rows in runs in which none changes what another one changes: a statement sees each thing once."""
    if key is None or len({row[key] for row in rows}) == len(rows):
        return [rows]
    runs: list[list[Values]] = []
    seen: set[Any] = set()
    for row in rows:
        if not runs or row[key] in seen:
            runs.append([])
            seen.clear()
        runs[-1].append(row)
        seen.add(row[key])
    return list(runs)


def _write(connection: apsw.Connection, query: str, rows: Sequence[Values]) -> None:
    begin = 0
    for size in SIZES:
        while begin + size <= len(rows):
            values = [value for row in rows[begin : begin + size] for value in row]
            connection.execute(many(query, size), values)
            begin += size


@cache
def _key(query: str) -> int | None:
    return Statement(QUERIES[query]).key
