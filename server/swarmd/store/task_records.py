"""The values that the rows of tasks become, besides `Task` itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from swarmd.domain.definition import TaskDefinition
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import SwarmMode, Task, TaskKey, WorkerIdentity


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task that is about to be stored, with its first status."""

    key: TaskKey
    definition: TaskDefinition
    status: TaskStatus
    ready: bool
    unmet: int
    label_set_key: int
    dependencies: Sequence[TaskKey]


@dataclass(frozen=True, slots=True)
class Offer:
    """The groups of claimable tasks that may be claimed, and the limits on claims."""

    epoch: int
    mode: SwarmMode
    # The next attempt's key is one more.
    last_attempt: int
    # Grows with each new label set: then a reader reads them again.
    newest_label_set: int
    ready: "set[ReadyGroup]"
    gates: "Sequence[RunnerGate]"
    # There are budgets that tasks share.
    budgets: bool = False


class RunnerGate(NamedTuple):
    """A pause of a runner as dispatch sees it; with `admits_one`, one attempt may start."""

    key: int
    runner: str
    # Empty: every worker with the runner.
    worker: str
    admits_one: bool

    def covers(self, worker: WorkerIdentity) -> bool:
        """Returns whether the pause concerns the worker."""
        return self.runner == worker.runner and self.worker in ("", worker.name)


class ReadyGroup(NamedTuple):
    """The claimable tasks of a label set that wait for the same name or plan's budget; for none if `wait_key` is 0."""

    label_set: int
    wait_key: int = 0


class TaskState(NamedTuple):
    """The key and the status of a task."""

    key: TaskKey
    status: TaskStatus


class DependencyStatus(NamedTuple):
    """A dependency and its status."""

    task_id: str
    status: TaskStatus


class DependencyEdge(NamedTuple):
    """A task and one that it depends on, both as ids."""

    task_id: str
    dependency: str


class ReadyTask(NamedTuple):
    """A claimable task with its priority, and what it may have to share."""

    task: Task
    priority: int
    # Its definition has exclusive names or files.
    exclusive: bool
    # The name that it waits for, or the budget of its plan if it is negative; 0 for none.
    wait_key: int
    # A person has answered or noted something.
    told: bool = False


class HeldTask(NamedTuple):
    """A task that a worker holds; `total` counts all held tasks."""

    task_id: str
    status: TaskStatus
    total: int


class TaskBackoff(NamedTuple):
    """A task that waits for its next attempt, with the whole length of the wait."""

    key: TaskKey
    backoff_s: float
