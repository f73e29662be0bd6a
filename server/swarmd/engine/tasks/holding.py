"""Holds of tasks, and what people say about tasks. Each public function is one write.

Invariant: a task has a lasting hold exactly while its status is HELD.
"""

from typing import Final

from swarmd.domain.errors import HoldRefused, InvalidRequest, InvalidStatus
from swarmd.domain.holds import (
    ANSWERED,
    MAX_NOTES,
    Hold,
    HoldKind,
    NewHold,
    checked_answer,
    checked_text,
    hold_key,
)
from swarmd.domain.lifecycle import FINAL, LEASED, Transition
from swarmd.domain.model import Task, TaskKey
from swarmd.engine.tasks import lookup
from swarmd.engine.tasks.transitions import apply
from swarmd.store import events, holds
from swarmd.store.events import EventKind
from swarmd.store.transaction import Tx

# Of an answer, in a message about it.
SHOWN_CHARS: Final = 200


def hold(tx: Tx, name: str, *, cause: str, actor: str, with_hint: bool = True) -> TaskKey:
    """Holds a task that has not started; a task that an operator holds already is left alone.

    Raises:
        InvalidStatus: a worker has the task, or the task has ended. HoldRefused: it waits for something else.
    """
    task = lookup.resolve(tx, name, with_hint=with_hint)
    if (lasting := holds.lasting(tx, task.key)) is not None:
        if lasting.kind is not HoldKind.SUSPENDED:
            # What settles that hold would let the task start, which the caller does not want.
            raise HoldRefused(task.task_id, _other_way(task, lasting.kind))
        return task.key
    if task.status in LEASED:
        hint = "hold it when its attempt has ended, or kill it"
        raise InvalidStatus(task.task_id, task.status, doing="hold", hint=hint)
    if task.status in FINAL:
        raise InvalidStatus(task.task_id, task.status, doing="hold")
    begin(tx, task, NewHold(HoldKind.SUSPENDED, cause or "held by an operator", held_by=actor))
    return task.key


def begin(tx: Tx, task: Task, new: NewHold) -> None:
    """Holds a task that no worker has."""
    apply(tx, task, Transition.HOLD, EventKind.TASK_HELD, cause=f"{new.kind}: {new.text}", backoff_s=0.0)
    holds.begin(tx, task.key, new, attempt=task.attempt)


def unhold(tx: Tx, name: str, *, actor: str, with_hint: bool = True) -> TaskKey:
    """Ends the hold of an operator, or of a task without progress; a task that is not held is left alone.

    Raises:
        HoldRefused: the task waits for something else.
    """
    task = lookup.resolve(tx, name, with_hint=with_hint)
    if (lasting := holds.lasting(tx, task.key)) is None:
        return task.key
    if lasting.kind not in {HoldKind.SUSPENDED, HoldKind.NO_PROGRESS}:
        raise HoldRefused(task.task_id, _other_way(task, lasting.kind))
    free(tx, task, actor=actor)
    return task.key


def answer(tx: Tx, name: str, *, hold_id: str, text: str, option: int, actor: str) -> TaskKey:
    """Answers the question that the task waits for; the same answer to the same hold may come again.

    Raises:
        HoldRefused: the task does not wait for this answer. InvalidRequest: the answer does not fit the question.
    """
    task = lookup.resolve(tx, name)
    asked = holds.find(tx, task.key, hold_key(hold_id))
    if asked is None or asked.kind not in ANSWERED:
        raise HoldRefused(
            task.task_id, f"has asked no question {hold_id}; see `swarmctl show {task.task_id}`"
        )
    given = checked_answer(asked, text, option)
    if asked.ended_us is not None:
        if given != asked.answer:
            raise HoldRefused(task.task_id, _settled(asked))
        return task.key
    if asked.in_place:
        _answer_in_place(tx, task, asked, given, actor)
    else:
        free(tx, task, actor=actor, answer=given)
    return task.key


def _answer_in_place(tx: Tx, task: Task, asked: Hold, given: str, actor: str) -> None:
    """Answers a question whose session waits for it; the task goes on without a change of its status."""
    holds.answer_in_place(tx, asked, ended_by=actor, answer=given)
    said = f"answered: {given[:SHOWN_CHARS]}"
    events.append(
        tx,
        EventKind.QUESTION_ANSWERED,
        task_id=task.task_id,
        status=task.status,
        attempt=task.attempt,
        session_id=asked.held_by,
        cause=f"{said} ({actor})" if actor else said,
    )


def note(tx: Tx, name: str, *, text: str, actor: str) -> TaskKey:
    """Leaves a note for the next attempts.

    Raises:
        InvalidRequest: the text is empty or too long, or the task has MAX_NOTES notes.
    """
    task = lookup.resolve(tx, name)
    checked_text("text", text)
    if len(holds.notes(tx, task.key)) >= MAX_NOTES:
        raise InvalidRequest(
            "text", f"task {task.task_id!r} has {MAX_NOTES} notes; write it into its description"
        )
    holds.add_note(tx, task.key, text, actor)
    events.append(
        tx,
        EventKind.TASK_NOTED,
        task_id=task.task_id,
        status=task.status,
        attempt=task.attempt,
        cause=f"{actor}: {text}" if actor else text,
    )
    return task.key


def free(tx: Tx, task: Task, *, actor: str, answer: str = "", said: str = "no longer held") -> Task:
    """Ends the hold of a task, with the answer if it is a question; returns the task."""
    holds.end(tx, task.key, ended_by=actor, answer=answer)
    said = f"answered: {answer}" if answer else said
    detail = f"{said} ({actor})" if actor else said
    return apply(tx, task, Transition.UNHOLD, EventKind.TASK_UNHELD, detail=detail)


def _other_way(task: Task, kind: HoldKind) -> str:
    """Returns what a hold that is not an operator's waits for, with the command that ends it."""
    if kind is HoldKind.BUDGET:
        return f"may spend no more; `swarmctl budget {task.task_id} --add DOLLARS`"
    if kind is HoldKind.APPROVAL:
        return f"waits for an approval; `swarmctl approve {task.task_id}`"
    return f"waits for an answer; `swarmctl answer {task.task_id} TEXT`"


def _settled(asked: Hold) -> str:
    who = f" by {asked.ended_by}" if asked.ended_by else ""
    if not asked.answer:
        return f"waits for that answer no more: the hold was ended{who}"
    shown = asked.answer[:SHOWN_CHARS] + ("…" if len(asked.answer) > SHOWN_CHARS else "")
    return f"was answered{who} already: {shown!r}"
