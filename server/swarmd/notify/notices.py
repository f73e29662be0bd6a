"""The notices: which events people are notified of, and the texts.

Invariant: a notice holds only id, name, status and cause of a task. They are masked, cut to one line, and free
of characters that a chat takes for markup.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from amplifier_swarm.masking import masked
from amplifier_swarm.text import one_line
from swarmd.domain.lifecycle import TaskStatus
from swarmd.notify.targets import Topic
from swarmd.store import events, swarm, tasks
from swarmd.store.events import ENDS_TASK, Event, EventKind
from swarmd.store.reads import totals
from swarmd.store.transaction import ReadTx

PAGE: Final = 500
CAUSE_LIMIT: Final = 200
NAME_LIMIT: Final = 80
# Mentions and links of chats begin with these.
_ESCAPED: Final = str.maketrans({"<": "‹", ">": "›", "@": "＠", "`": "'", "*": "∗"})


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice; two notices with the same key say the same."""

    topic: Topic
    key: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class NoticePage:
    """The notices of a page of events; `full` if more events follow."""

    notices: Sequence[Notice]
    last_seq: int
    full: bool


def read(tx: ReadTx, seq: int, topics: frozenset[Topic]) -> NoticePage:
    """Reads the notices of the next PAGE events after `seq`."""
    found = events.after(tx, seq, limit=PAGE)
    notices = [notice for event in found for notice in _notices(tx, event)]
    full = len(found) == PAGE
    if not full and any(event.kind in ENDS_TASK for event in found):
        notices += _finished(tx, found[-1].seq)
    return NoticePage(
        [notice for notice in notices if notice.topic in topics], found[-1].seq if found else seq, full
    )


def _notices(tx: ReadTx, event: Event) -> Iterator[Notice]:
    task, cause = event.task_id, _cause_text(event.cause)
    match event.kind:
        case EventKind.TASK_FAILED:
            text = f"Task {_task_label(tx, task)} failed at attempt {event.attempt}{cause}"
            yield Notice(Topic.FAILED, f"failed {task} {event.attempt}", f"{task} failed", text)
        case EventKind.SWARM_STOPPED:
            yield Notice(Topic.STOP, f"stop {event.seq}", "EMERGENCY STOP", f"Emergency stop in force{cause}")
        case EventKind.WORKER_LOST:
            text = f"Worker {event.worker} is lost{cause}"
            yield Notice(Topic.WORKER_LOST, text, f"worker {event.worker} is lost", text)
        case EventKind.RUNNER_PAUSED:
            text = f"A runner is paused{cause}; mend that, then `swarmctl resume`"
            yield Notice(Topic.RUNNER_PAUSED, text, "a runner is paused", text)
        case EventKind.EXPIRY_PAUSED:
            text = f"Most workers fell silent at once{cause}; nobody is given up until they are heard again"
            yield Notice(Topic.NEEDS_PERSON, text, "most workers are silent", text)
        case EventKind.RESULT_ARCHIVED if _acceptable(event):
            accept = f"`swarmctl accept {task} --attempt {event.attempt}` lets it count"
            text = f"A completed result of task {_task_label(tx, task)} came too late; {accept}"
            yield Notice(Topic.NEEDS_PERSON, text, f"{task}: a result came too late", text)
        case EventKind.TASK_HELD if event.attempt and event.worker:
            # What an operator holds, that operator knows.
            text = f"Task {_task_label(tx, task)} waits for a person{cause}; `swarmctl inbox` lists all that waits"
            yield Notice(Topic.NEEDS_PERSON, f"held {task} {event.seq}", f"{task} waits for a person", text)
        case EventKind.BUDGET_REACHED:
            text = f"Tasks wait for money{cause}; `swarmctl inbox` lists all that waits"
            yield Notice(Topic.NEEDS_PERSON, f"budget {event.seq}", "tasks wait for money", text)
        case EventKind.QUESTION_ASKED:
            text = f"A session of task {_task_label(tx, task)} asks{cause}; `swarmctl inbox` lists all that waits"
            yield Notice(Topic.NEEDS_PERSON, f"asks {task} {event.seq}", f"{task} waits for a person", text)
        case _:
            return


def _acceptable(event: Event) -> bool:
    """Returns True if an operator may want to accept the archived result."""
    dead = (TaskStatus.FAILED, TaskStatus.KILLED, TaskStatus.NOT_STARTED)
    return event.cause.startswith("completed") and event.status in dead


def _finished(tx: ReadTx, seq: int) -> Iterator[Notice]:
    found = {status: total.tasks for status, total in totals.tasks(tx).items() if total.tasks}
    if not found or swarm.has_open(tx):
        return
    counts = ", ".join(f"{found[status]} {status}" for status in TaskStatus if status in found)
    good = found.keys() == {TaskStatus.COMPLETED}
    title = "finished" if good else "finished, but not everything is completed"
    yield Notice(Topic.FINISHED, f"finished {seq}", title, f"Nothing is left to do: {counts}")


def _task_label(tx: ReadTx, task_id: str) -> str:
    name = tasks.name(tx, task_id)
    return task_id if name in ("", task_id) else f"{task_id} ({_escape_chat_markup(name, NAME_LIMIT)})"


def _cause_text(cause: str) -> str:
    return f": {_escape_chat_markup(cause, CAUSE_LIMIT)}" if cause else ""


def _escape_chat_markup(text: str, limit: int) -> str:
    return one_line(masked(text), limit).translate(_ESCAPED)
