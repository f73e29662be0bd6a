"""Calls of running sessions for their own tasks. Each public method is one write, or one read.

Invariant: each begins by checking the session again in its own transaction, so that nothing is written for a session
that has ended or is ordered to end, whatever was true when its token was looked at.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from swarmd.domain.claim import DependencyResult
from swarmd.domain.definition import FollowUps, PlannedTask
from swarmd.domain.errors import HoldRefused, InvalidRequest, TaskNotFound
from swarmd.domain.follow_ups import (
    FollowUp,
    FollowUpLimits,
    check_limits,
    definition_of,
    ids_of,
    same_task,
)
from swarmd.domain.holds import Hold, NewHold, asked_question, filed_hold, hold_key
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import SessionRole, Task, TaskId
from swarmd.domain.session_errors import SessionOver
from swarmd.domain.session_grants import SessionGrant
from swarmd.engine.tasks import holding, lookup, plans
from swarmd.store import attempts, events, follow_ups, holds, sessions, tasks
from swarmd.store.attempts import LeaseRecord
from swarmd.store.events import EventKind
from swarmd.store.reads import views
from swarmd.store.sessions import SessionRecord
from swarmd.store.transaction import ReadTx, Tx

MAX_PROGRESS_TEXT: Final = 500
# What a session says more often is stored without an event.
EVENT_EVERY_US: Final = 1_000_000


class FiledFollowUp(NamedTuple):
    """The task that a session has filed; `held` if it waits for a person."""

    task_id: TaskId
    held: bool


class StoredQuestion(NamedTuple):
    """A question of a running session: its hold, and how many seconds the session may wait in its place."""

    hold_id: str
    wait_s: float


class _Acting(NamedTuple):
    record: LeaseRecord
    session: SessionRecord


class SessionCalls:
    """The calls of running sessions."""

    def __init__(self, limits: FollowUpLimits) -> None:
        self._limits = limits

    def set_progress(self, tx: Tx, grant: SessionGrant, *, text: str, percent: int | None) -> None:
        """Stores what the session says about its progress.

        Raises:
            SessionOver: it may change nothing more. InvalidRequest: the text is too long, or the percentage is none.
        """
        if len(text) > MAX_PROGRESS_TEXT:
            raise InvalidRequest("text", f"has {len(text):,} characters; at most {MAX_PROGRESS_TEXT}")
        if percent is not None and not 0 <= percent <= 100:
            raise InvalidRequest("percent", f"must be from 0 to 100, got {percent}")
        record, session = _acting(tx, grant)
        before_us = sessions.set_progress(tx, session.key, text, percent)
        if before_us is None or tx.now_us - before_us >= EVENT_EVERY_US:
            done = "" if percent is None else f"{percent} %"
            events.append(
                tx,
                EventKind.SESSION_PROGRESS,
                task_id=record.task.task_id,
                status=record.task.status,
                attempt=record.lease.number,
                session_id=grant.session_id,
                cause=": ".join(part for part in (done, text) if part),
            )

    def file_task(self, tx: Tx, grant: SessionGrant, wanted: FollowUp) -> FiledFollowUp:
        """Adds a task that the session has found to be necessary; one that says the same is returned instead.

        Raises:
            SessionOver: the session may change nothing more. FollowUpRefused: it may file no task, or no further one.
            InvalidRequest, InvalidTasks: the task is not as it should be.
        """
        record, session = _acting(tx, grant)
        task = record.task
        parent = views.definition(tx, task.key)
        filed = follow_ups.of_parent(tx, task.key)
        if (same := same_task(wanted, {found.task_id: found.definition for found in filed})) is not None:
            return FiledFollowUp(same, lookup.resolve(tx, same).status is TaskStatus.HELD)
        own = sum(found.session_key == session.key for found in filed)
        check_limits(parent, self._limits, filed=own, depth=follow_ups.depth(tx, task.key))
        task_id = next(name for name in ids_of(task.task_id) if not tasks.states_ignoring_case(tx, [name]))
        siblings = {found.task_id for found in filed}
        definition = definition_of(wanted, parent, task_id, siblings=siblings)
        plans.add(tx, [PlannedTask(definition, TaskStatus.NOT_STARTED)], clear=False)
        added = lookup.resolve(tx, task_id)
        follow_ups.add(tx, added.key, parent=task.key, session_key=session.key)
        if parent.follow_ups is not FollowUps.START:
            added = _held(tx, added, filed_hold(grant.session_id, task.task_id))
        return FiledFollowUp(task_id, added.status is TaskStatus.HELD)

    def dependencies(self, tx: ReadTx, grant: SessionGrant, *, task_id: str) -> Sequence[DependencyResult]:
        """Returns what came of the dependencies of the session's task, or of one of them.

        Raises:
            SessionOver: the session has ended. TaskNotFound: its task does not depend on a task of that id.
        """
        record, _ = _acting(tx, grant)
        if task_id and task_id not in views.definition(tx, record.task.key).dependencies:
            raise TaskNotFound(task_id)
        found = attempts.dependency_results(tx, record.task.key)
        return [result for result in found if task_id in ("", result.task_id)]

    def ask(self, tx: Tx, grant: SessionGrant, *, text: str, options: Sequence[str]) -> StoredQuestion:
        """Stores a question that the session waits for; the same one again returns the same hold.

        Raises:
            SessionOver: the session may change nothing more. InvalidRequest: the question is out of range.
            HoldRefused: a validator asks, or the session waits for another answer.
        """
        record, _ = _acting(tx, grant)
        task = record.task
        if grant.role is not SessionRole.BUILDER:
            raise HoldRefused(
                task.task_id, "takes questions of builders alone; a validator reports a finding"
            )
        question = asked_question(text, options, session_id=grant.session_id)
        wait_s = views.definition(tx, task.key).ask_timeout_s or 0.0
        known = holds.in_place(tx, task.key, attempt=record.lease.number)
        if known is not None and (known.text, tuple(known.options)) == (text, question.options):
            return StoredQuestion(known.hold_id, wait_s)
        if known is not None and known.ended_us is None:
            raise HoldRefused(task.task_id, "waits for the answer to another question; ask one at a time")
        holds.begin(tx, task.key, question, attempt=record.lease.number, in_place=True)
        events.append(
            tx,
            EventKind.QUESTION_ASKED,
            task_id=task.task_id,
            status=task.status,
            attempt=record.lease.number,
            session_id=grant.session_id,
            cause=text,
        )
        asked = holds.in_place(tx, task.key, attempt=record.lease.number)
        assert asked is not None
        return StoredQuestion(asked.hold_id, wait_s)

    def answer_to(self, tx: ReadTx, grant: SessionGrant, *, hold_id: str) -> Hold | None:
        """Returns the hold of a question once it is answered; None before.

        Raises:
            SessionOver: the session has ended. HoldRefused: it has asked no such question.
        """
        record, _ = _acting(tx, grant)
        asked = holds.find(tx, record.lease.task_key, hold_key(hold_id))
        if asked is None or not asked.in_place or asked.attempt != record.lease.number:
            raise HoldRefused(record.task.task_id, f"has asked no question {hold_id} in this attempt")
        return asked if asked.answer else None

    def attempt(self, tx: ReadTx, grant: SessionGrant) -> LeaseRecord:
        """Returns the attempt of the session; raises SessionOver if it may change nothing more."""
        return _acting(tx, grant).record


def _acting(tx: ReadTx, grant: SessionGrant) -> _Acting:
    """Returns attempt and session of a grant that still counts; raises SessionOver if it does not."""
    lease = grant.lease
    record = attempts.find(tx, lease.task_key, lease.number)
    session = sessions.find(tx, grant.session_id)
    if record is None or session is None:
        raise SessionOver
    # The key of an attempt is never given again, also not after a restore: that begins a new epoch.
    same = record.lease.attempt_key == lease.attempt_key and record.lease.epoch == lease.epoch
    runs = record.outcome is None and record.task.status is TaskStatus.IN_PROGRESS and not record.over_budget
    mine = session.attempt_key == lease.attempt_key and session.ended_us is None
    if not (same and runs and mine):
        raise SessionOver
    return _Acting(record, session)


def _held(tx: Tx, task: Task, hold: NewHold) -> Task:
    """Holds a new task for the approval of a person, unless its own definition has done so already."""
    if task.status is not TaskStatus.HELD:
        holding.begin(tx, task, hold)
    return lookup.resolve(tx, task.task_id)
