"""Claims: tasks as workers get them, with what came before."""

from collections.abc import Sequence
from dataclasses import dataclass

from swarmd.domain.definition import TaskDefinition
from swarmd.domain.model import LeaseId, TaskId


@dataclass(frozen=True, slots=True)
class DependencyResult:
    """The result of a dependency; the report is its worker's, as JSON."""

    task_id: TaskId
    name: str
    report: str


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
