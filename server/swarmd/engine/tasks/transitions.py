"""Status changes of tasks: the only module that writes a new status.

Each change goes through the transition table and is stored with its event. In the same transaction the change
propagates to the dependents of the task: they become ready, are skipped, or are no longer skipped.
"""

from collections import deque
from collections.abc import Sequence
from typing import Unpack

from swarmd.domain.approvals import ApprovalPoint, awaits_start
from swarmd.domain.decision import TaskUpdate
from swarmd.domain.holds import START_HOLD
from swarmd.domain.lifecycle import DEAD, FINAL, TaskStatus, Transition, advance
from swarmd.domain.model import DependencyFailurePolicy, Task
from swarmd.engine.tasks.demanding import set_demands
from swarmd.store import events, holds, tasks
from swarmd.store.events import EventKind
from swarmd.store.task_records import NewTask
from swarmd.store.transaction import Tx


def apply(
    tx: Tx,
    task: Task,
    transition: Transition,
    kind: EventKind,
    *,
    worker: str = "",
    session_id: str = "",
    cause: str = "",
    detail: str = "",
    **update: Unpack[TaskUpdate],
) -> Task:
    """Advances the task, stores it with its event, and propagates the change to its dependents.

    `cause` stays with the task until its next change; `detail` is for the event alone.

    Raises:
        InvalidStatus: the table has no such transition; nothing is changed.
    """
    was = task.status
    task = _apply_one(
        tx,
        task,
        transition,
        kind,
        worker=worker,
        session_id=session_id,
        cause=cause,
        detail=detail,
        **update,
    )
    _propagate(tx, task, was)
    return task


def reclassify(tx: Tx, task: Task, kind: EventKind) -> Task:
    """Counts the unmet dependencies of a task that was just defined, derives its status, and records it."""
    unmet = tasks.count_unmet(tx, task.key)
    derived = _derive_readiness(task, status=_without_start_hold(tx, task, unmet=unmet), unmet=unmet)
    tasks.save(tx, derived)
    events.append(tx, kind, task_id=task.task_id, status=derived.status, attempt=task.attempt)
    _hold_start(tx, derived, was=task.status)
    return derived


def hold_new(tx: Tx, new: Sequence[NewTask]) -> None:
    """Stores the holds of new tasks that wait for the approval of their start."""
    for task in new:
        holds.begin(tx, task.key, START_HOLD, attempt=0)
    cause = f"{START_HOLD.kind}: {START_HOLD.text}"
    for task in new:
        events.append(
            tx, EventKind.TASK_HELD, task_id=task.definition.task_id, status=task.status, cause=cause
        )


def set_unmet(tx: Tx, task: Task, *, unmet: int) -> Task:
    """Sets the number of unmet dependencies, which may block the task or make it ready."""
    derived = _derive_readiness(task, status=_without_start_hold(tx, task, unmet=unmet), unmet=unmet)
    tasks.save(tx, derived)
    if derived.status is TaskStatus.HELD:
        _hold_start(tx, derived, was=task.status)
    elif derived.status is not task.status:
        kind = EventKind.TASK_BLOCKED if unmet else EventKind.TASK_READY
        events.append(tx, kind, task_id=task.task_id, status=derived.status, attempt=task.attempt)
    return derived


def skip_if_stranded(tx: Tx, task: Task) -> Task:
    """Skips a blocked task whose dependency can't complete, if the policy of the task says so."""
    if task.status is not TaskStatus.BLOCKED or task.policy is not DependencyFailurePolicy.SKIP:
        return task
    dead = tasks.dead_dependency(tx, task.key)
    if dead is None:
        return task
    cause = f"dependency {dead[0]} is {dead[1]}"
    return apply(tx, task, Transition.SKIP, EventKind.TASK_SKIPPED, cause=cause)


def revive_if_possible(tx: Tx, task: Task) -> Task:
    """Revives a skipped task, unless one of its dependencies still can't complete."""
    if not _can_revive(tx, task):
        return task
    return apply(tx, task, Transition.REVIVE, EventKind.TASK_REVIVED)


def _apply_one(
    tx: Tx,
    task: Task,
    transition: Transition,
    kind: EventKind,
    *,
    worker: str = "",
    session_id: str = "",
    cause: str = "",
    detail: str = "",
    **update: Unpack[TaskUpdate],
) -> Task:
    """Changes one task, with its event, and none of its dependents."""
    status, was = advance(task.task_id, task.status, transition), task.status
    if was is TaskStatus.HELD:
        holds.end(tx, task.key)  # does nothing after an answer
    if task.work_of and update.get("work_of") == 0:
        set_demands(tx, task.key)  # no longer only workers that have the work
    ended_us = None if status not in FINAL else task.completed_us or tx.now_us
    task = task._replace(cause=cause, completed_us=ended_us, **update)
    task = _derive_readiness(task, status=status, unmet=task.unmet)
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
    if transition is not Transition.HOLD:
        _hold_start(tx, task, was=TaskStatus.BLOCKED)
    return task


def _derive_readiness(task: Task, *, status: TaskStatus, unmet: int) -> Task:
    """Returns the task with that status, blocked or ready as its unmet dependencies and its backoff say.

    A task that is ready for the first time is held instead, if a person has to approve its start. That approval ends
    when a dependency is unmet again.
    """
    if status is TaskStatus.NOT_STARTED and unmet:
        status = advance(task.task_id, status, Transition.BLOCK)
        if task.approved is ApprovalPoint.BEFORE_START:
            task = task._replace(approved=None)
    elif status is TaskStatus.BLOCKED and not unmet:
        status = advance(task.task_id, status, Transition.UNBLOCK)
    if status is TaskStatus.NOT_STARTED and awaits_start(task):
        status = advance(task.task_id, status, Transition.HOLD)
    ready = status is TaskStatus.NOT_STARTED and not task.backoff_s > 0
    return task._replace(status=status, unmet=unmet, ready=ready)


def _hold_start(tx: Tx, task: Task, *, was: TaskStatus) -> None:
    """Stores the hold of a task that `_derive_readiness` has just held; `was` is the status before."""
    if task.status is not TaskStatus.HELD or was is TaskStatus.HELD:
        return
    holds.begin(tx, task.key, START_HOLD, attempt=task.attempt)
    cause = f"{START_HOLD.kind}: {START_HOLD.text}"
    events.append(
        tx,
        EventKind.TASK_HELD,
        task_id=task.task_id,
        status=task.status,
        attempt=task.attempt,
        cause=cause,
    )


def _without_start_hold(tx: Tx, task: Task, *, unmet: int) -> TaskStatus:
    """Ends the wait for an approval of the start of a task that has none to wait for now; returns its status then."""
    if task.status is not TaskStatus.HELD or (not unmet and awaits_start(task)):
        return task.status
    lasting = holds.lasting(tx, task.key)
    if lasting is None or lasting.point is not ApprovalPoint.BEFORE_START or lasting.held_by:
        return task.status  # a follow-up waits for its approval whatever becomes of its dependencies
    holds.end(tx, task.key)
    return advance(task.task_id, task.status, Transition.BLOCK)


def _propagate(tx: Tx, task: Task, was: TaskStatus) -> None:
    """Updates the dependents, and their dependents; uses a queue, since a chain may exceed the stack."""
    changed = deque([(task, was)])
    while changed:
        dependency, before = changed.popleft()
        if _dependency_effect(dependency.status) == _dependency_effect(before):
            continue
        for dependent in tasks.dependents(tx, dependency.key):
            updated = _update_dependent(tx, dependent, dependency, before)
            changed.append((updated, dependent.status))


def _dependency_effect(status: TaskStatus) -> str:
    """Returns the meaning of a task's status for its dependents: met, dead or open."""
    if status is TaskStatus.COMPLETED:
        return "met"
    return "dead" if status in DEAD else "open"


def _update_dependent(tx: Tx, task: Task, dependency: Task, before: TaskStatus) -> Task:
    """Updates a task after a dependency of it ended, or was reopened."""
    if dependency.status is TaskStatus.COMPLETED:
        return _dependency_met(tx, task, before)
    if task.policy is DependencyFailurePolicy.RUN:
        return set_unmet(tx, task, unmet=task.unmet + (-1 if dependency.status in DEAD else 1))
    if before is TaskStatus.COMPLETED:
        # It was met and is not any more. A task that runs or has ended keeps its status, and waits when it is retried.
        task = set_unmet(tx, task, unmet=task.unmet + 1)
    if dependency.status not in DEAD:
        return _unskip(tx, task)
    if task.status is not TaskStatus.BLOCKED or task.policy is DependencyFailurePolicy.BLOCK:
        return task
    cause = f"dependency {dependency.task_id} is {dependency.status}"
    return _apply_one(tx, task, Transition.SKIP, EventKind.TASK_SKIPPED, cause=cause)


def _dependency_met(tx: Tx, task: Task, before: TaskStatus) -> Task:
    """Updates a task after a dependency completed: by running, or by a result that an operator accepted."""
    if before not in DEAD:
        return set_unmet(tx, task, unmet=task.unmet - 1)
    if task.policy is DependencyFailurePolicy.RUN:
        return task  # the end of the dependency has counted as met already
    return _unskip(tx, set_unmet(tx, task, unmet=task.unmet - 1))


def _unskip(tx: Tx, task: Task) -> Task:
    return _apply_one(tx, task, Transition.REVIVE, EventKind.TASK_REVIVED) if _can_revive(tx, task) else task


def _can_revive(tx: Tx, task: Task) -> bool:
    return task.status is TaskStatus.SKIPPED and tasks.dead_dependency(tx, task.key) is None
