"""The course of a task: the only place where the store learns of a new status.

Each change goes through the transition table, is written with its event, and carries on to the tasks that
depend on it: they become ready, are skipped, or are revived, in the same transaction.
"""

from collections import deque
from typing import Any

from swarmd.domain.lifecycle import DEAD, FINAL, TaskStatus, Transition, advance
from swarmd.domain.model import DependencyFailurePolicy, Task
from swarmd.store import events, tasks
from swarmd.store.events import EventKind
from swarmd.store.transaction import Tx


def change(tx: Tx, task: Task, transition: Transition, kind: EventKind, **details: Any) -> Task:
    """Advances the task, stores it with its event, and then sees to all that depend on it.

    `details` are those of `_step`. Raises InvalidStatus, changing nothing, if the transition is not in the
    table.
    """
    was = task.status
    task = _step(tx, task, transition, kind, **details)
    _carry_on(tx, task, was)
    return task


def place(tx: Tx, task: Task, kind: EventKind) -> Task:
    """Counts anew what a task that was just defined waits for, puts it where it belongs, and records it."""
    task = _settle(task, unmet=tasks.count_unmet(tx, task.key))
    tasks.save(tx, task)
    events.append(tx, kind, task_id=task.task_id, status=task.status, attempt=task.attempt)
    return task


def recount(tx: Tx, task: Task, *, unmet: int) -> Task:
    """Gives a task another number of unmet dependencies, which may block it or make it ready."""
    settled = _settle(task, unmet=unmet)
    tasks.save(tx, settled)
    if settled.status is not task.status:
        kind = EventKind.TASK_BLOCKED if unmet else EventKind.TASK_READY
        events.append(tx, kind, task_id=task.task_id, status=settled.status, attempt=task.attempt)
    return settled


def skip_if_stranded(tx: Tx, task: Task) -> Task:
    """Skips a blocked task that waits for something that can't complete, if that is its policy."""
    if task.status is not TaskStatus.BLOCKED or task.policy is not DependencyFailurePolicy.SKIP:
        return task
    dead = tasks.dead_dependency(tx, task.key)
    if dead is None:
        return task
    cause = f"dependency {dead[0]} is {dead[1]}"
    return change(tx, task, Transition.SKIP, EventKind.TASK_SKIPPED, cause=cause)


def _step(
    tx: Tx,
    task: Task,
    transition: Transition,
    kind: EventKind,
    *,
    worker: str = "",
    session_id: str = "",
    cause: str = "",
    detail: str = "",
    **fields: Any,
) -> Task:
    """One change of one task with its event.

    `cause` stays with the task until its next change, `detail` is for the event alone; `fields` are further
    fields of the task that change with it.
    """
    status = advance(task.task_id, task.status, transition)
    ended_us = None if status not in FINAL else task.completed_us or tx.now_us
    task = _settle(task, status=status, completed_us=ended_us, cause=cause, **fields)
    tasks.save(tx, task)
    events.append(
        tx,
        kind,
        task_id=task.task_id,
        status=task.status,
        attempt=task.attempt,
        worker=worker,
        session_id=session_id,
        cause=cause or detail,
    )
    return task


def _settle(task: Task, **changes: Any) -> Task:
    """The task with the changes: blocked or not started is a matter of what is unmet; ready, of the backoff too."""
    status: TaskStatus = changes.get("status", task.status)
    unmet = changes.get("unmet", task.unmet)
    if status is TaskStatus.NOT_STARTED and unmet:
        status = advance(task.task_id, status, Transition.BLOCK)
    elif status is TaskStatus.BLOCKED and not unmet:
        status = advance(task.task_id, status, Transition.UNBLOCK)
    waits = changes.get("backoff_s", task.backoff_s) > 0
    # One copy for all.
    return task._replace(
        **{**changes, "status": status, "ready": status is TaskStatus.NOT_STARTED and not waits}
    )


def _carry_on(tx: Tx, task: Task, was: TaskStatus) -> None:
    """Tells the dependents, and theirs; a queue, since a chain may be longer than a stack is deep."""
    changed = deque([(task, was)])
    while changed:
        dependency, before = changed.popleft()
        if _promise(dependency.status) == _promise(before):
            continue
        for dependent in tasks.dependents(tx, dependency.key):
            told = _tell(tx, dependent, dependency, before)
            changed.append((told, dependent.status))


def _promise(status: TaskStatus) -> str:
    """What a task's status means to those that wait for it."""
    if status is TaskStatus.COMPLETED:
        return "met"
    return "dead" if status in DEAD else "open"


def _tell(tx: Tx, task: Task, dependency: Task, before: TaskStatus) -> Task:
    """The task after a dependency of it came to an end, or to a new start."""
    if dependency.status is TaskStatus.COMPLETED:
        return _meet(tx, task, before)
    if task.policy is DependencyFailurePolicy.RUN:
        return recount(tx, task, unmet=task.unmet + (-1 if dependency.status in DEAD else 1))
    if dependency.status not in DEAD:
        return _revive(tx, task)
    if task.status is not TaskStatus.BLOCKED or task.policy is DependencyFailurePolicy.BLOCK:
        return task
    cause = f"dependency {dependency.task_id} is {dependency.status}"
    return _step(tx, task, Transition.SKIP, EventKind.TASK_SKIPPED, cause=cause)


def _meet(tx: Tx, task: Task, before: TaskStatus) -> Task:
    """The task after a dependency completed, from running or by a result that an operator accepted."""
    if before not in DEAD:
        return recount(tx, task, unmet=task.unmet - 1)
    if task.policy is DependencyFailurePolicy.RUN:
        return task  # its end had counted as met already
    return _revive(tx, recount(tx, task, unmet=task.unmet - 1))


def _revive(tx: Tx, task: Task) -> Task:
    if task.status is not TaskStatus.SKIPPED or tasks.dead_dependency(tx, task.key) is not None:
        return task
    return _step(tx, task, Transition.REVIVE, EventKind.TASK_REVIVED)
