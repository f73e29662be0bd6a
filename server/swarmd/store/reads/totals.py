"""Totals that triggers keep up to date, so that a read costs the same for any number of tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import SessionRole
from swarmd.store.transaction import ReadTx


@dataclass(frozen=True, slots=True)
class TaskTotal:
    """The number of tasks with one status, and of the claimable ones among them."""

    tasks: int
    ready: int


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """The usage of all sessions of one role; the cost is in billionths of a dollar."""

    sessions: int
    input_tokens: int
    output_tokens: int
    cost_nano: int


@dataclass(frozen=True, slots=True)
class AttemptTotal:
    """The number of attempts with one end; the failure class is empty unless they failed."""

    outcome: str
    failure_class: str
    attempts: int


def tasks(tx: ReadTx) -> Mapping[TaskStatus, TaskTotal]:
    """Returns the totals of every status."""
    return {TaskStatus(status): TaskTotal(*row) for status, *row in tx.all("total_tasks")}


def oldest_ready_us(tx: ReadTx) -> int | None:
    """Returns the time at which the longest waiting claimable task became ready; None if no task is claimable."""
    since_us: int | None = tx.value("total_oldest_ready")
    return since_us


def usage(tx: ReadTx) -> Mapping[SessionRole, UsageTotal]:
    """Returns the totals of every role."""
    return {SessionRole(role): UsageTotal(*row) for role, *row in tx.all("total_usage")}


def attempts(tx: ReadTx) -> Sequence[AttemptTotal]:
    """Returns the totals of all attempts that have ended since the database was made."""
    return [AttemptTotal(*row) for row in tx.all("total_attempts")]
