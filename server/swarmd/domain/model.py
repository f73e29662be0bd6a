"""The values that the layers pass to each other. Invariant: a value never changes in place."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, NewType

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.landing import ReportedChange, ReportedLanding, StartPoint
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.sandbox import NO_ENFORCEMENT, Enforcement
from swarmd.domain.workspaces import RetryFrom, WorkspaceKind

# The ids of tasks and the names of workers and of exclusive things.
ID_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
TaskId = NewType("TaskId", str)
WorkerName = NewType("WorkerName", str)
LeaseId = NewType("LeaseId", str)
SessionId = NewType("SessionId", str)

# Keys are row numbers of the store: small, never reused, and never shown to people.
TaskKey = NewType("TaskKey", int)
AttemptKey = NewType("AttemptKey", int)
TargetKey = NewType("TargetKey", int)
WorkerKey = NewType("WorkerKey", int)

DEFAULT_PRIORITY: Final = 2
DEFAULT_MAX_RETRIES: Final = 2


class DependencyFailurePolicy(StrEnum):
    """The policies for a task whose dependency can no longer complete."""

    SKIP = "skip"
    RUN = "run"
    BLOCK = "block"


class DisconnectPolicy(StrEnum):
    """The policies for sessions of a worker that has lost its connection for too long."""

    FENCE = "fence"
    KEEP = "keep"


class FailureClass(StrEnum):
    """The reasons for which an attempt did not succeed; the wire contract explains each."""

    AGENT_ERROR = "agent_error"
    VALIDATION_FAILED = "validation_failed"
    NO_VERDICT = "no_verdict"
    TIMEOUT = "timeout"
    STALLED = "stalled"
    CRASHED = "crashed"
    WORKER_LOST = "worker_lost"
    PROVIDER_LIMITED = "provider_limited"
    PROVIDER_DENIED = "provider_denied"
    BAD_CONFIG = "bad_config"
    BUILDER_BLOCKED = "builder_blocked"
    VALIDATOR_FAILED = "validator_failed"
    BAD_CHECK = "bad_check"
    LANDING_CONFLICT = "landing_conflict"
    LANDING_FAILED = "landing_failed"
    WORK_MISSING = "work_missing"
    INTERRUPTED = "interrupted"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    BUDGET_EXHAUSTED = "budget_exhausted"


class AttemptOutcome(StrEnum):
    """The ends of an attempt."""

    COMPLETED = "completed"
    FAILED = "failed"
    KILLED = "killed"
    LOST = "lost"
    RELEASED = "released"


class OutcomeKind(StrEnum):
    """The kinds of outcome that a worker reports."""

    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    DECLINED = "declined"


class Disposition(StrEnum):
    """The server's answers to a reported outcome."""

    ACCEPTED = "accepted"
    ARCHIVED = "archived"
    UNKNOWN = "unknown"


class SessionRole(StrEnum):
    """The roles of a session."""

    BUILDER = "builder"
    VALIDATOR = "validator"


class SwarmMode(StrEnum):
    """The modes of the swarm as a whole."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class OrderAction(StrEnum):
    """The actions that an order may ask for."""

    STOP = "stop"
    STOP_NOW = "stop_now"
    ABANDON = "abandon"


class Role(StrEnum):
    """The roles of a token, from least to most rights."""

    VIEWER = "viewer"
    WORKER = "worker"
    OPERATOR = "operator"


class Task(NamedTuple):
    """Where a task is: what every decision about it reads and changes.

    A named tuple, like every value that each step creates: it costs a fifth of a frozen dataclass.
    """

    key: TaskKey
    task_id: TaskId
    status: TaskStatus
    # Claimable as far as the task itself goes: NOT_STARTED, nothing unmet, not in a backoff.
    ready: bool
    unmet: int
    policy: DependencyFailurePolicy
    max_retries: int
    attempt: int = 0
    failures: int = 0
    losses: int = 0
    # How often work was accepted that could not be landed.
    landing_failures: int = 0
    last_error: str = ""
    failure_class: FailureClass | None = None
    cause: str = ""
    # True if an emergency stop or a drain ended it; `resume --requeue` puts it back.
    interrupted: bool = False
    # The wait before the next attempt; a restart of the server begins it again.
    backoff_s: float = 0.0
    started_us: int | None = None
    completed_us: int | None = None
    # The time at which it became ready.
    ready_us: int | None = None
    # Where its next attempt starts, and the attempt whose accepted work an operator has ordered to land; 0 if none.
    starts_at: StartPoint = StartPoint.BUILDER
    work_of: int = 0
    # Names the landings of the task since it was added, or since people had its work done again; empty for a task of a
    # database from before.
    creation: str = ""
    # Where it waits for a person, and which approval is in force: of its start, or of the landing of `work_of`.
    approve: ApprovalPoint | None = None
    approved: ApprovalPoint | None = None
    # What its sessions may cost in billionths of a dollar, and use in tokens, raises included; None without a cap.
    max_cost_nano: int | None = None
    max_tokens: int | None = None
    # What its next attempt starts from, if a person has said so.
    retry_from: RetryFrom | None = None


class Lease(NamedTuple):
    """A worker's right to one attempt, without the secret that proves it."""

    attempt_key: AttemptKey
    task_key: TaskKey
    task_id: TaskId
    number: int
    epoch: int
    worker: WorkerName
    secret_hash: bytes


@dataclass(frozen=True, slots=True)
class Usage:
    """Model usage of sessions. The cost is in billionths of a dollar, None if no price is known."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An order to a worker about one lease."""

    lease_id: LeaseId
    action: OrderAction
    cause: str


@dataclass(frozen=True, slots=True)
class PausedRunner:
    """A role of a runner that starts nothing, at one worker, or everywhere if `worker` is empty.

    While it is `half_open`, one attempt at a time may start: the probe.
    """

    runner: str
    worker: str
    cause: str
    paused_us: int
    key: int = 0
    role: SessionRole = SessionRole.BUILDER
    failure_class: FailureClass = FailureClass.BAD_CONFIG
    # What the failures have in common.
    fingerprint: str = ""
    # The tasks that met the fault.
    task_ids: tuple[str, ...] = ()
    # The wait before it is half open by itself; 0 if only an operator opens it.
    cooldown_s: float = 0.0
    failed_probes: int = 0
    half_open: bool = False
    # The latest probe; its task while it runs, else empty.
    probe_key: int | None = None
    probe_task_id: str = ""


# The report of an outcome without one.
NO_REPORT: Final = "{}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The reported end of an attempt."""

    kind: OutcomeKind
    failure_class: FailureClass | None
    error: str
    # Builder result, checks, verdict and kill receipt as JSON: stored and shown; no decision reads it.
    report: str
    # SHA-256 of the whole outcome: a repeated outcome gets the same answer.
    digest: bytes
    retry_after_s: float | None = None
    # The processes of the attempt that could not be ended.
    survivors: int = 0
    # None without a verdict; `validation_waived` says that the worker runs without validation.
    verdict_passed: bool | None = None
    validation_waived: bool = False
    # None if the attempt had no clone. The report has the landing and not the change, which may be large.
    change: ReportedChange | None = None
    landing: ReportedLanding | None = None
    # A signal ended the worker, which ended the sessions for that reason.
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """The identity of a worker, as it gives it when it opens its stream."""

    name: WorkerName
    incarnation: str
    instance: str
    slots: int
    labels: Mapping[str, str]
    runner: str
    host: str
    pid: int
    version: str
    containment: str
    # Orders the requests of one instance; 0 if unknown.
    opening: int = 0
    # The worker may rehearse in a swarm that has done real work. Asked for at each registration, not stored.
    allows_rehearsal: bool = False
    # The repository that it clones, and the branch on which work lands. Empty if it makes no clones.
    repository: str = ""
    target: str = ""
    # The workspace of a task that asks for none.
    workspace: WorkspaceKind = WorkspaceKind.SHARED
    # Where its attempts may start, besides BUILDER. Given at each registration, not stored.
    starts: frozenset[StartPoint] = frozenset()
    enforcement: Enforcement = NO_ENFORCEMENT


@dataclass(frozen=True, slots=True)
class SwarmState:
    """The state of the swarm as a whole, which survives restarts."""

    swarm_id: str
    epoch: int
    mode: SwarmMode
    cause: str
    stop_generation: int
