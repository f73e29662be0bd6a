"""Tasks as their authors define them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import DependencyFailurePolicy, DisconnectPolicy, TaskId
from swarmd.domain.rehearsal import Rehearsal
from swarmd.domain.sandbox import NetworkAccess, ResourceLimits, SandboxKind
from swarmd.domain.workspaces import ExpectedChanges, LandingStyle, RetryFrom, WorkspaceKind


class FollowUps(StrEnum):
    """The ways of treating tasks that sessions of a task file."""

    HOLD = "hold"
    START = "start"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """The definition of a task by its author. None means that the author gave no value."""

    task_id: TaskId
    name: str = ""
    phase: str = ""
    type: str = ""
    priority: int | None = None
    estimated_hours: float | None = None
    description: str = ""
    acceptance_criteria: Sequence[str] = ()
    files: Sequence[str] = ()
    design_docs: Sequence[str] = ()
    dependencies: Sequence[TaskId] = ()
    max_retries: int | None = None
    on_dependency_failure: DependencyFailurePolicy | None = None
    validate: bool | None = None
    builder_agent: str = ""
    validator_agent: str = ""
    builder_timeout_s: float | None = None
    validator_timeout_s: float | None = None
    stall_timeout_s: float | None = None
    check_timeout_s: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    checks: Sequence[str] = ()
    rehearsal: Rehearsal | None = None
    on_disconnect: DisconnectPolicy | None = None
    workspace: WorkspaceKind | None = None
    setup: Sequence[str] = ()
    keep: Sequence[str] = ()
    exclusive: Sequence[str] = ()
    artifacts: Sequence[str] = ()
    land: bool | None = None
    landing: LandingStyle | None = None
    landing_checks: Sequence[str] = ()
    changes: ExpectedChanges | None = None
    retry_from: RetryFrom | None = None
    sandbox: SandboxKind | None = None
    network: NetworkAccess | None = None
    limits: ResourceLimits | None = None
    approve: ApprovalPoint | None = None
    max_cost_nano: int | None = None
    max_tokens: int | None = None
    ask_timeout_s: float | None = None
    follow_ups: FollowUps | None = None
    discovered_from: str = ""


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task as a file holds it."""

    definition: TaskDefinition
    status: TaskStatus
