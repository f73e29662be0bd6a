"""Approvals: the points at which a task waits for a person, and what the person is asked there."""

from enum import StrEnum
from typing import Final, Protocol


class ApprovalPoint(StrEnum):
    """The points at which a task may wait for a person; the wire contract explains each."""

    BEFORE_START = "before-start"
    BEFORE_LANDING = "before-landing"
    AFTER = "after"


class _Approvable(Protocol):
    @property
    def approve(self) -> ApprovalPoint | None: ...
    @property
    def approved(self) -> ApprovalPoint | None: ...
    @property
    def work_of(self) -> int: ...


# The points at which the work of a builder is done.
AFTER_WORK: Final = frozenset({ApprovalPoint.BEFORE_LANDING, ApprovalPoint.AFTER})


def awaits_start(task: _Approvable) -> bool:
    """Returns whether a person has to approve the start of the task. An order to land accepted work starts nothing."""
    start = ApprovalPoint.BEFORE_START
    return task.approve is start and task.approved is not start and not task.work_of


def point_after_work(approve: ApprovalPoint | None, *, landed: bool) -> ApprovalPoint | None:
    """Returns the point at which work that a builder has just done waits for a person; None if it does not wait."""
    if approve not in AFTER_WORK:
        return None
    return ApprovalPoint.AFTER if landed else approve


def start_text() -> str:
    """Returns what a person is asked before the start of a task."""
    return "may the task start?"


def work_text(point: ApprovalPoint, attempt: int, *, landing: str = "") -> str:
    """Returns what a person is asked about the work of an attempt; `landing` says where it landed, if it did."""
    if point is ApprovalPoint.BEFORE_LANDING:
        return f"attempt {attempt} is accepted and kept: may its work land?"
    where = f" and {landing}" if landing else ""
    return f"attempt {attempt} is accepted{where}: does it count as completed?"
