"""A database as the predecessor wrote it: its tables, and six tasks with what had happened to them."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

SCHEMA: Final = """
CREATE TABLE tasks (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, phase TEXT, task_type TEXT, status TEXT NOT NULL DEFAULT 'not_started',
  priority INTEGER DEFAULT 0, estimated_hours REAL, description TEXT, acceptance_criteria TEXT, files TEXT,
  design_docs TEXT, worker_id TEXT, claimed_at TIMESTAMP, started_at TIMESTAMP, completed_at TIMESTAMP,
  builder_session_id TEXT, validator_session_id TEXT, retry_count INTEGER DEFAULT 0, max_retries INTEGER DEFAULT 2,
  last_error TEXT, dependencies TEXT, builder_result TEXT, validator_result TEXT,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE workers (
  worker_id TEXT PRIMARY KEY, pid INTEGER NOT NULL, hostname TEXT, started_at TIMESTAMP, last_heartbeat TIMESTAMP,
  status TEXT NOT NULL DEFAULT 'active', tasks_completed INTEGER DEFAULT 0, tasks_failed INTEGER DEFAULT 0,
  current_task_id TEXT, orchestrator_pid INTEGER);
CREATE TABLE execution_log (
  id INTEGER PRIMARY KEY AUTOINCREMENT, task_id TEXT NOT NULL, worker_id TEXT, event_type TEXT NOT NULL,
  message TEXT, data TEXT, timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
"""
_COLUMNS: Final = (
    "id, name, status, priority, dependencies, files, last_error, acceptance_criteria, task_type"
)
_TASKS: Final = (
    ("2.6.1.a", "Log in", "completed", 3, "", '["src/login.py"]', None,
     "- A user can log in\n- A token ends after a day", "implementation"),
    ("2.6.1.b", "Log out", "in_progress", 2, "2.6.1.a", "[]", None, "", "implementation"),
    ("2.6.2", "Test it", "failed", 2, "2.6.1.a,2.6.1.b", "[]", "the tests are red", "", "test"),
    ("2.6.3", "Review it", "failed", 1, "", "[]", "Killed by user", "", "test"),
    ("2.6.4", "Write it down", "not_started", 0, "9.9", "[]", None, "", None),
    ("2.6.5", "Look around", "not_started", 2, None, '["/etc/passwd", "docs/a.md"]', None, "", None),
)  # fmt: skip
_EVENTS: Final = (
    ("2.6.1.a", "worker-1-1737710620", "claimed", "Task claimed by worker worker-1-1737710620", "2026-01-24 09:30:15"),
    ("2.6.1.a", "worker-1-1737710620", "started", "Task execution started", "2026-01-24 09:30:20"),
    ("2.6.1.a", "worker-1-1737710620", "completed", "Task completed successfully", "2026-01-24 09:55:00"),
    ("2.6.2", "worker-2-1737710620", "retry", "Task failed, will retry (attempt 1/2)", "2026-01-24 10:00:00"),
    ("2.6.2", "worker-2-1737710620", "failed", "Task failed permanently: the tests are red", "2026-01-24 10:20:00"),
)  # fmt: skip


def make_database(path: Path) -> None:
    """Writes the database."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        connection.executemany(f"INSERT INTO tasks ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)", _TASKS)
        connection.executemany(
            "INSERT INTO execution_log (task_id, worker_id, event_type, message, timestamp) VALUES (?,?,?,?,?)",
            _EVENTS,
        )
