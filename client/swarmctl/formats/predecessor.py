"""The database of the predecessor, `tasks.db`: its tasks, and what had happened to them."""

import json
import re
import sqlite3
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from amplifier_swarm.plan.faults import Fault, PlanRefused, quoted
from amplifier_swarm.plan.nodes import Line
from swarmctl.formats.draft import Draft, DraftTask, Link, shortened

_TASKS: Final = "SELECT rowid AS number, * FROM tasks ORDER BY rowid"
_EVENTS: Final = "SELECT task_id, timestamp, event_type, worker_id, message FROM execution_log ORDER BY id"
# The latest events of a task; a builder learns nothing from more.
_SHOWN_EVENTS: Final = 20
_LONGEST_MESSAGE: Final = 300
_KEPT: Final = frozenset({"completed", "failed"})
_LOWEST: Final = -1000
_HIGHEST: Final = 1000


def read_predecessor(path: Path, name: str) -> Draft:
    """Returns the tasks of a database; the line of each is the number of its row.

    Raises:
        PlanRefused: the file is not a database of the predecessor.
    """
    draft = Draft()
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            connection.row_factory = sqlite3.Row
            history = _history(connection)
            for row in connection.execute(_TASKS):
                draft.add(_task(draft, dict(row), history))
    except sqlite3.Error as error:
        problem = f"not a database of the predecessor: {error}; give the file that `--db` named"
        raise PlanRefused(name, [Fault(0, "", "", problem)]) from error
    return draft


def _history(connection: sqlite3.Connection) -> dict[str, deque[str]]:
    """Returns for each task its latest events, a line each; none of a database that has no log."""
    found: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_SHOWN_EVENTS))
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'execution_log'").fetchone():
        return found
    for row in map(dict, connection.execute(_EVENTS)):
        parts = (_text(row, name) for name in ("timestamp", "event_type", "worker_id"))
        message = shortened(" ".join(_text(row, "message").split()), _LONGEST_MESSAGE)
        found[_text(row, "task_id")].append(f"{' '.join(part for part in parts if part)}: {message}")
    return found


def _task(draft: Draft, row: dict[str, Any], history: Mapping[str, deque[str]]) -> DraftTask:
    line = Line(row["number"])
    task = DraftTask(_text(row, "id"), line)
    recorded = "\n".join(history.get(task.key, ()))
    task.describe(
        ("", _text(row, "description")),
        ("What the predecessor recorded", recorded),
        ("Its last error", _text(row, "last_error")),
    )
    task.name(_text(row, "name") or task.key)
    task.accept(_text(row, "acceptance_criteria"))
    task.fields |= {
        ours: text
        for ours, theirs in (("phase", "phase"), ("type", "task_type"))
        if (text := _text(row, theirs))
    }
    _set_status(draft, task, row)
    if isinstance(priority := row.get("priority"), int) and _LOWEST <= priority <= _HIGHEST:
        task.fields["priority"] = priority
    if isinstance(hours := row.get("estimated_hours"), int | float) and hours > 0:
        task.fields["estimated_hours"] = hours
    if isinstance(retries := row.get("max_retries"), int) and 0 <= retries <= 100:
        task.fields["max_retries"] = retries
    for field in ("files", "design_docs"):
        if paths := list(_paths(draft, task, field, _text(row, field))):
            task.fields[field] = paths
    names = (part.strip() for part in _text(row, "dependencies").split(","))
    task.waits_for = [Link(key, line) for key in names if key]
    return task


def _text(row: dict[str, Any], column: str) -> str:
    value = row.get(column)
    return "" if value is None or isinstance(value, bytes) else str(value).strip()


def _set_status(draft: Draft, task: DraftTask, row: dict[str, Any]) -> None:
    status = _text(row, "status")
    if status in _KEPT:
        killed = status == "failed" and _text(row, "last_error") == "Killed by user"
        task.fields["status"] = "killed" if killed else status
    elif status not in ("", "not_started", "blocked"):
        draft.note(task.line, f"the status {quoted(status)} is not carried", "the task begins again")


def _paths(draft: Draft, task: DraftTask, field: str, text: str) -> Iterator[str]:
    try:
        found = json.loads(text) if text else []
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        draft.note(task.line, f"{field} of {quoted(task.key)} is not a JSON list", "left out")
        return
    for path in found:
        if isinstance(path, str) and not path.startswith(("/", "~")) and ".." not in re.split(r"[/\\]", path):
            yield path
        else:
            draft.note(task.line, f"{quoted(str(path))} in {field} is not a relative path", "left out")
