"""Lookup of tasks by an id or the beginning of one."""

import difflib

from swarmd.domain.errors import InvalidRequest, TaskAmbiguous, TaskNotFound
from swarmd.domain.model import Task
from swarmd.store import tasks
from swarmd.store.transaction import ReadTx


def resolve(tx: ReadTx, name: str, *, with_hint: bool = True) -> Task:
    """Returns the task of that id, or the only one whose id begins with `name`.

    `with_hint` compares an unknown name with thousands of ids, which takes some milliseconds.

    Raises:
        TaskNotFound: no id fits. TaskAmbiguous: several ids begin so.
    """
    if not name:
        raise InvalidRequest("task_id", "is empty; name a task")
    exact = tasks.find(tx, name)
    if exact is not None:
        return exact
    matches = tasks.ids_with_prefix(tx, name, limit=6)
    if len(matches) > 1:
        raise TaskAmbiguous(name, matches)
    if not matches and not with_hint:
        raise TaskNotFound(name)
    if not matches:
        close = difflib.get_close_matches(name, tasks.ids_with_prefix(tx, name[:1], limit=5_000), n=1)
        raise TaskNotFound(name, similar=close[0] if close else "")
    found = tasks.find(tx, matches[0])
    assert found is not None
    return found
