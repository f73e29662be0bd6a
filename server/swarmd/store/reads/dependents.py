"""The tasks behind a task: those that depend on it, directly or not."""

import json
from collections.abc import Sequence

from swarmd.domain.model import Task, TaskKey
from swarmd.store import tasks
from swarmd.store.transaction import ReadTx


def behind(tx: ReadTx, key: TaskKey) -> Sequence[Task]:
    """Returns the tasks that depend on this one, directly or not, in the order of import."""
    return [tasks.from_row(row) for row in tx.all("task_behind", key=key)]


def edges_among(tx: ReadTx, keys: Sequence[TaskKey]) -> Sequence[tuple[TaskKey, TaskKey]]:
    """Returns the dependencies between these tasks, each as a task and one that it depends on."""
    rows = tx.all("task_edges_among", keys=json.dumps(keys))
    return [(TaskKey(key), TaskKey(dependency)) for key, dependency in rows]
