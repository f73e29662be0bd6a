"""What is counted as it changes: sums that cost the same to read however many tasks there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import SessionRole
from swarmd.store.transaction import ReadTx


@dataclass(frozen=True, slots=True)
class TaskTotal:
    """The tasks of one status, and how many of them may be claimed."""

    tasks: int
    ready: int


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """What the sessions of one role have used; the cost is in billionths of a dollar."""

    sessions: int
    input_tokens: int
    output_tokens: int
    cost_nano: int


@dataclass(frozen=True, slots=True)
class AttemptTotal:
    """How many attempts have ended so; the failure class is empty where none failed."""

    outcome: str
    failure_class: str
    attempts: int


def tasks(tx: ReadTx) -> Mapping[TaskStatus, TaskTotal]:
    """By status, every status named."""
    return {TaskStatus(status): TaskTotal(*row) for status, *row in tx.all("total_tasks")}


def oldest_ready_us(tx: ReadTx) -> int | None:
    """Since when the task that has waited longest to be claimed may be."""
    since_us: int | None = tx.value("total_oldest_ready")
    return since_us


def usage(tx: ReadTx) -> Mapping[SessionRole, UsageTotal]:
    """By role, every role named."""
    return {SessionRole(role): UsageTotal(*row) for role, *row in tx.all("total_usage")}


def attempts(tx: ReadTx) -> Sequence[AttemptTotal]:
    """Those that have ended since the database was made."""
    return [AttemptTotal(*row) for row in tx.all("total_attempts")]
