"""Holds: what a held task waits for, and which words of a builder hold its task."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from swarmd.domain.approvals import ApprovalPoint, point_after_work, start_text, work_text
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import Outcome, Task
from swarmd.domain.shared_budget import BudgetName

# Of a question, a reason, an answer and a note.
MAX_TEXT: Final = 16_000
MAX_NOTES: Final = 100
# Of a question of a running session, and of its options.
MAX_QUESTION: Final = 4_000
MAX_OPTIONS: Final = 20
MAX_OPTION: Final = 1_000
# The first digits of a commit, as people know it.
SHORT_COMMIT: Final = 12
_HOLD_ID: Final = re.compile(r"([1-9][0-9]{0,14})-([1-9][0-9]{0,14})")


class HoldKind(StrEnum):
    """The kinds of things that a person has to settle."""

    QUESTION = "question"  # the builder asks, or names what blocks it
    SUSPENDED = "suspended"  # an operator holds the task
    APPROVAL = "approval"  # the task waits at the point that its definition names
    BUDGET = "budget"  # a cap is used up
    NO_PROGRESS = "no_progress"  # two attempts have left the same change and the same red checks


# What an answer ends: the next builder gets the text and the answer.
ANSWERED: Final = (HoldKind.QUESTION, HoldKind.NO_PROGRESS)


@dataclass(frozen=True, slots=True)
class RejectedWork:
    """The work of an attempt that a red check or a validator rejected: its patch, and its report as JSON."""

    attempt: int
    patch: bytes
    report: str


@dataclass(frozen=True, slots=True)
class NewHold:
    """A hold that is about to begin. `options` are answers to choose from; a person may say something else."""

    kind: HoldKind
    text: str
    options: Sequence[str] = ()
    # The name of the token; empty if the end of an attempt holds the task.
    held_by: str = ""
    # Of an approval.
    point: ApprovalPoint | None = None
    # Of a budget: the shared one that is used up, 0 if it is a cap of the task.
    budget_key: int = 0
    # The hold of the question, if the session had asked it while it ran.
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """A stored hold. Its id has the epoch, since a restored database gives the same keys again."""

    key: int
    epoch: int
    kind: HoldKind
    text: str
    options: Sequence[str]
    attempt: int
    held_by: str
    since_us: int
    ended_us: int | None
    ended_by: str
    # Of an approval, the reason of a rejection.
    answer: str
    point: ApprovalPoint | None = None
    approved: bool = False
    # The shared budget that is used up; None if it is a cap of the task.
    budget: BudgetName | None = None
    # A running session waits for it, or has waited.
    in_place: bool = False

    @property
    def hold_id(self) -> str:
        """Returns the name of the hold among all holds of the swarm."""
        return f"{self.epoch}-{self.key}"


@dataclass(frozen=True, slots=True)
class Note:
    """A note of a person for the next attempts."""

    text: str
    author: str
    noted_us: int


# What a task waits for before its start.
START_HOLD: Final = NewHold(HoldKind.APPROVAL, start_text(), point=ApprovalPoint.BEFORE_START)


def filed_hold(session_id: str, parent: str) -> NewHold:
    """Returns what a task waits for that a session has filed. `held_by` distinguishes it from START_HOLD."""
    text = f"a session of {parent} has filed this task: {start_text()}"
    return NewHold(HoldKind.APPROVAL, text, held_by=session_id, point=ApprovalPoint.BEFORE_START)


def asked_question(text: str, options: Sequence[str], *, session_id: str) -> NewHold:
    """Returns the question of a running session.

    Raises:
        InvalidRequest: the question is empty, or a text or the number of options is out of range.
    """
    if not text.strip() or len(text) > MAX_QUESTION:
        raise InvalidRequest("text", f"must have from 1 to {MAX_QUESTION:,} characters")
    if len(options) > MAX_OPTIONS or any(not 1 <= len(option) <= MAX_OPTION for option in options):
        raise InvalidRequest(
            "options", f"must be at most {MAX_OPTIONS}, of 1 to {MAX_OPTION:,} characters each"
        )
    return NewHold(HoldKind.QUESTION, text, tuple(options), held_by=session_id)


def hold_key(hold_id: str) -> tuple[int, int]:
    """Returns epoch and key of a hold id.

    Raises:
        InvalidRequest: the text does not have the form of a hold id.
    """
    if (match := _HOLD_ID.fullmatch(hold_id)) is None:
        raise InvalidRequest("hold_id", f"{hold_id[:50]!r} names no hold; take it from the task")
    return int(match[1]), int(match[2])


def question_of(report: str, error: str) -> NewHold:
    """Returns the hold of a builder that asks, or that names what blocks it, by its report as JSON.

    One question with options offers them. Of several, the texts stand below each other, and any text is an answer.
    """
    built: Mapping[str, Any] = json.loads(report).get("builder_result") or {}
    questions = [found for found in built.get("questions") or () if found.get("text")]
    if not questions:
        blockers = "\n".join(built.get("blockers") or ())
        return NewHold(HoldKind.QUESTION, (blockers or error)[:MAX_TEXT])
    if len(questions) == 1:
        [question] = questions
        options, asked = tuple(question.get("options") or ()), question.get("hold_id") or ""
        return NewHold(HoldKind.QUESTION, question["text"][:MAX_TEXT], options, asked=asked)
    texts = [f"{number}. {_with_options(question)}" for number, question in enumerate(questions, 1)]
    return NewHold(HoldKind.QUESTION, "\n".join(texts)[:MAX_TEXT])


def no_progress(before: RejectedWork, now: RejectedWork) -> NewHold | None:
    """Returns the hold of a task whose two attempts in a row left the same patch and the same red checks, else None."""
    red = _red_checks(now.report)
    if not red or not now.patch or now.patch != before.patch or red != _red_checks(before.report):
        return None
    text = f"attempts {before.attempt} and {now.attempt} left the same change and the same red checks: {', '.join(red)}"
    return NewHold(HoldKind.NO_PROGRESS, text[:MAX_TEXT])


def _red_checks(report: str) -> Sequence[str]:
    """Returns the commands of the checks that failed, in order."""
    checks = json.loads(report).get("checks") or ()
    return [check.get("command", "") for check in checks if check.get("exit_code", 0) != 0]


def checked_answer(hold: Hold, text: str, option: int) -> str:
    """Returns the answer: the text, or the option of that number, from 1; 0 for none.

    Raises:
        InvalidRequest: the answer is missing or too long, is given twice, or names no option.
    """
    if option and text.strip():
        raise InvalidRequest("option", "stands beside a text; give one of them")
    if option:
        if not 1 <= option <= len(hold.options):
            offered = f"has the options 1 to {len(hold.options)}" if hold.options else "has no options"
            raise InvalidRequest("option", f"{option} is not one of them: the question {offered}")
        return hold.options[option - 1]
    return checked_text("text", text)


def checked_text(field: str, text: str) -> str:
    """Returns the text of an answer or a note.

    Raises:
        InvalidRequest: the text is empty or too long.
    """
    if not text.strip():
        raise InvalidRequest(field, "is empty; say something")
    if len(text) > MAX_TEXT:
        raise InvalidRequest(field, f"has {len(text):,} characters; at most {MAX_TEXT:,}")
    return text


def _with_options(question: Mapping[str, Any]) -> str:
    options = question.get("options") or ()
    return f"{question['text']} ({' / '.join(options)})" if options else str(question["text"])


def approval_of(task: Task, outcome: Outcome, *, attempt: int) -> NewHold | None:
    """Returns the hold of work that was accepted and waits for a person; None if it counts by itself."""
    landing = outcome.landing
    point = point_after_work(task.approve, landed=landing is not None)
    if point is None:
        return None
    where = "" if landing is None else f"landed on {landing.target} as {landing.commit[:SHORT_COMMIT]}"
    return NewHold(HoldKind.APPROVAL, work_text(point, attempt, landing=where), point=point)
