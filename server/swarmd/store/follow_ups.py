"""The tasks that sessions have filed, as rows."""

from collections.abc import Sequence
from typing import NamedTuple

from swarmd.domain.definition import TaskDefinition
from swarmd.domain.model import TaskId, TaskKey
from swarmd.store import definition_json
from swarmd.store.transaction import ReadTx, Tx


class StoredFollowUp(NamedTuple):
    """A task that a session has filed, and the key of that session."""

    task_id: TaskId
    session_key: int
    definition: TaskDefinition


def add(tx: Tx, key: TaskKey, *, parent: TaskKey, session_key: int) -> None:
    """Notes that a session of the parent has filed the task."""
    tx.run("follow_up_add", task_key=key, parent_key=parent, session_key=session_key)


def of_parent(tx: ReadTx, parent: TaskKey) -> Sequence[StoredFollowUp]:
    """Returns the tasks that sessions of the parent have filed, the earliest first."""
    return [
        StoredFollowUp(TaskId(task_id), session_key, definition_json.decode(body))
        for task_id, session_key, body in tx.all("follow_up_list", parent_key=parent)
    ]


def depth(tx: ReadTx, key: TaskKey) -> int:
    """Returns how many ancestors of the task have filed it, one the other."""
    return int(tx.value("follow_up_depth", task_key=key))
