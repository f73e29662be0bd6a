"""Reads of the database by operators, before they act."""

from typing import NamedTuple

from swarmd.domain.lifecycle import DEAD, TRANSITIONS, TaskStatus, Transition
from swarmd.domain.model import TaskKey
from swarmd.store import landings, tasks
from swarmd.store.transaction import ReadTx

_LATE = """
SELECT DISTINCT t.task_id, t.key, a.number, t.status
  FROM late_results l JOIN attempts a ON a.key = l.attempt_key JOIN tasks t ON t.key = a.task_key
 WHERE l.kind = 'completed' AND a.outcome <> 'completed' ORDER BY a.key
"""


class Late(NamedTuple):
    """An archived result that could count."""

    task_id: str
    number: int
    status: TaskStatus
    # The first dependency that can't complete, if there is one.
    dead: tuple[str, ...]


def late_results(tx: ReadTx) -> list[Late]:
    """Returns the archived results that an operator may accept."""
    rows = tx._connection.execute(_LATE)
    found = [(task_id, TaskKey(key), number, TaskStatus(status)) for task_id, key, number, status in rows]
    return [
        Late(task_id, number, status, _dead_dependency(tx, key))
        for task_id, key, number, status in found
        if Transition.ACCEPT in TRANSITIONS[status]
    ]


def _dead_dependency(tx: ReadTx, key: TaskKey) -> tuple[str, ...]:
    dead = tasks.dead_dependency(tx, key)
    return () if dead is None else (str(dead[0]),)


def running(tx: ReadTx) -> list[str]:
    """Returns the tasks that sessions work on."""
    return [found.task_id for found in tasks.with_status(tx, TaskStatus.IN_PROGRESS) if not found.work_of]


def landable(tx: ReadTx) -> list[str]:
    """Returns the tasks whose work is kept: those that are completed, or that a landing has left unfinished."""
    found = []
    for task_id, (key, status) in tasks.states(tx).items():
        accepted = landings.accepted_work(tx, key)
        if accepted is not None and not accepted.landed and status in (*DEAD, TaskStatus.COMPLETED):
            found.append(task_id)
    return found


def ended(tx: ReadTx) -> list[str]:
    """Returns the ids of tasks that have completed, have failed or were killed."""
    statuses = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.KILLED)
    return [found.task_id for status in statuses for found in tasks.with_status(tx, status)]
