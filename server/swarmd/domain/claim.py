"""Claims: tasks as workers get them, with what came before."""

from collections.abc import Sequence
from dataclasses import dataclass

from swarmd.domain.definition import TaskDefinition
from swarmd.domain.holds import Hold, Note
from swarmd.domain.landing import KeptWork, StartPoint
from swarmd.domain.model import NO_REPORT, FailureClass, LeaseId, TaskId


@dataclass(frozen=True, slots=True)
class DependencyResult:
    """The result of a dependency; the report is its worker's, as JSON."""

    task_id: TaskId
    name: str
    report: str


@dataclass(frozen=True, slots=True)
class CloneStart:
    """The commits that an attempt in a clone starts from; each is empty if there is none."""

    # The last landing that the server has learnt.
    base: str
    # Any landing of the task that was never reported follows this commit.
    first_base: str
    # The last commit of the attempt before, and why that attempt did not succeed.
    previous_head: str
    previous_failure: FailureClass | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A task together with the right to work on it."""

    definition: TaskDefinition
    lease_id: LeaseId
    number: int
    epoch: int
    # The report of the previous attempt, as JSON; None if it left none.
    previous_report: str | None
    last_error: str
    dependency_results: Sequence[DependencyResult] = ()
    # What people have answered, and noted; the latest last.
    answers: Sequence[Hold] = ()
    notes: Sequence[Note] = ()
    # Rejections by people that the next builder has to answer.
    rejections: Sequence[Hold] = ()
    # None if the task runs in a shared workspace.
    clone: CloneStart | None = None
    # The work that the attempt lands or judges, with its builder's report as JSON; None if it starts with a builder.
    work: KeptWork | None = None
    work_report: str = NO_REPORT
    starts_at: StartPoint = StartPoint.BUILDER
    # Names this creation of the task.
    creation: str = ""
