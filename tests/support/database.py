"""Checks of a database file: a digest of all its rows, and consistency rules in SQL."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import apsw

from swarmd.store.file import opening
from swarmd.store.file.errors import DatabaseUnusable

# Every task is where its last event says, and the sequence of events has no gap.
_AUDITS = {
    "the events have a gap": "SELECT count(*) <> coalesce(max(seq), 0) OR coalesce(min(seq), 1) <> 1 FROM events",
    "a task is not where its last event says": """
        SELECT EXISTS (SELECT 1 FROM tasks t WHERE t.status <> (
          SELECT e.status FROM events e WHERE e.task_id = t.task_id AND e.status <> '' ORDER BY seq DESC LIMIT 1))
    """,
    "a task that is held has no open attempt, or another one has": """
        SELECT EXISTS (SELECT 1 FROM tasks t WHERE
          (t.status IN ('claimed', 'in_progress', 'killing')) <>
          EXISTS (SELECT 1 FROM attempts a WHERE a.task_key = t.key AND a.outcome IS NULL AND a.number = t.attempt))
    """,
    "a count of unmet dependencies is wrong": """
        SELECT EXISTS (SELECT 1 FROM tasks t WHERE t.status IN ('blocked', 'not_started') AND t.unmet <> (
          SELECT count(*) FROM dependencies d JOIN tasks p ON p.key = d.dependency_key
           WHERE d.task_key = t.key AND p.status <> 'completed'
             AND NOT (t.policy = 'run' AND p.status IN ('failed', 'killed', 'skipped'))))
    """,
}


@dataclass(frozen=True)
class DatabaseContent:
    """The content that the next start finds."""

    digest: str
    faults: list[str]


def read_content(path: Path) -> DatabaseContent:
    """Opens the database as a start does, and reads its content."""
    try:
        connection = opening.open_writer(path)
    except DatabaseUnusable as error:
        return DatabaseContent("", [str(error)])
    try:
        return DatabaseContent(digest(connection), faults(connection))
    except apsw.Error as error:
        return DatabaseContent("", [str(error)])
    finally:
        connection.close()


def digest(connection: apsw.Connection) -> str:
    """Returns a digest of the rows of all tables."""
    found = hashlib.sha256()
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    for name in sorted(names):
        # Each start writes its own lineage mark.
        if name.startswith("sqlite_stat") or name == "lineage":
            continue
        rows = sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"')))
        found.update(repr((name, rows)).encode())
    return found.hexdigest()


def faults(connection: apsw.Connection) -> list[str]:
    """Returns the inconsistencies of the database."""
    found = [] if connection.pragma("integrity_check") == "ok" else ["it is corrupt"]
    if connection.execute("PRAGMA foreign_key_check").fetchone():
        found.append("a foreign key points nowhere")
    return found + [what for what, query in _AUDITS.items() if connection.execute(query).get]
