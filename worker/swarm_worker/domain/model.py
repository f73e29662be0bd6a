"""Frozen values of the worker, independent of the wire; `rpc.convert` makes them from messages.

This module is loaded with the first task; the values that an idle worker needs are in `types`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from amplifier_swarm.vocabulary import SandboxName
from swarm_worker.domain.changes import Change, EarlierWork, Landing
from swarm_worker.domain.people import PersonAnswer, PersonNote, Question
from swarm_worker.domain.sandbox import NO_LIMITS, NetworkAccess, ResourceLimits
from swarm_worker.domain.session_tokens import SessionToken
from swarm_worker.domain.types import LeaseId, Role, SessionId
from swarm_worker.domain.workspaces import AttemptStart, LandingStyle, RetryFrom, WorkspaceKind

if TYPE_CHECKING:
    from decimal import Decimal


class FailureClass(StrEnum):
    """The reason why an attempt did not succeed; the wire's names in lower case."""

    AGENT_ERROR = "agent_error"
    VALIDATION_FAILED = "validation_failed"
    NO_VERDICT = "no_verdict"
    TIMEOUT = "timeout"
    STALLED = "stalled"
    CRASHED = "crashed"
    PROVIDER_LIMITED = "provider_limited"
    PROVIDER_DENIED = "provider_denied"
    BAD_CONFIG = "bad_config"
    BUILDER_BLOCKED = "builder_blocked"
    VALIDATOR_FAILED = "validator_failed"
    BAD_CHECK = "bad_check"
    LANDING_CONFLICT = "landing_conflict"
    LANDING_FAILED = "landing_failed"
    WORK_MISSING = "work_missing"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    BUDGET_EXHAUSTED = "budget_exhausted"


class OutcomeKind(StrEnum):
    """The way in which an attempt ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    DECLINED = "declined"


class LogKind(StrEnum):
    """The kind of a log entry."""

    OUTPUT = "output"
    ERROR_OUTPUT = "error_output"
    TOOL_STARTED = "tool_started"
    TOOL_COMPLETED = "tool_completed"
    REPLY = "reply"
    WORKER = "worker"
    PROMPT = "prompt"


@dataclass(frozen=True, slots=True)
class Task:
    """The fields of a task that attempts and prompts need; `document` is the whole task as JSON."""

    id: str
    document: str
    name: str = ""
    phase: str = ""
    type: str = ""
    description: str = ""
    acceptance_criteria: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    design_docs: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    validate: bool | None = None
    builder_agent: str = ""
    validator_agent: str = ""
    builder_timeout_s: float | None = None
    validator_timeout_s: float | None = None
    stall_timeout_s: float | None = None
    check_timeout_s: float | None = None
    # True if the task's sessions keep running while the server is unreachable.
    keep_on_disconnect: bool = False
    # None means as the worker is set.
    workspace: WorkspaceKind | None = None
    setup: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    land: bool = True
    landing: LandingStyle = LandingStyle.SQUASH
    landing_checks: tuple[str, ...] = ()
    # False if the task may leave every file as it is.
    must_change: bool = True
    # None means as the end of the attempt before suggests.
    retry_from: RetryFrom | None = None
    # None means as the worker is set.
    sandbox: SandboxName | None = None
    network: NetworkAccess = NetworkAccess.FULL
    limits: ResourceLimits = NO_LIMITS


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault that a validator or a check found."""

    finding_id: str
    file: str
    issue: str
    severity: str


class AnswerKind(StrEnum):
    """The kind of a builder's answer to a finding."""

    UNSPECIFIED = "unspecified"
    FIXED = "fixed"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class FindingAnswer:
    """A builder's answer to a finding of the previous attempt."""

    finding_id: str
    kind: AnswerKind
    why: str = ""


@dataclass(frozen=True, slots=True)
class BuilderResult:
    """A builder's report on its own work; never evidence of success."""

    status: str = ""
    files_created: tuple[str, ...] = ()
    files_modified: tuple[str, ...] = ()
    tests_written: bool | None = None
    tests_passed: bool | None = None
    implementation_notes: str = ""
    blockers: tuple[str, ...] = ()
    answers: tuple[FindingAnswer, ...] = ()
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True, slots=True)
class DependencyResult:
    """The result of a task on which another task depends."""

    task_id: str
    name: str
    builder_result: BuilderResult | None = None
    verdict_summary: str = ""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A task with the lease to work on it."""

    task: Task
    lease_id: LeaseId
    attempt: int
    epoch: int
    findings: tuple[Finding, ...] = ()
    last_error: str = ""
    dependency_results: tuple[DependencyResult, ...] = ()
    # The trace of this attempt; empty if tracing is off.
    traceparent: str = ""
    # Commits: of the last landing, the base of the task's first clone, the last of the previous attempt.
    base: str = ""
    first_base: str = ""
    previous_head: str = ""
    # Why the previous attempt did not succeed; None on a first attempt, and for a class that is not a worker's.
    previous_failure: FailureClass | None = None
    # The work that the attempt lands, checks or judges, with its builder's report; None if it starts with a builder.
    work: EarlierWork | None = None
    work_result: BuilderResult | None = None
    starts_at: AttemptStart | None = None
    # Names this creation of the task; empty if the server knows none.
    creation: str = ""
    # What people have said; the latest last.
    answers: tuple[PersonAnswer, ...] = ()
    notes: tuple[PersonNote, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens that a session used; `cost` is in US dollars, None if the price is unknown."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: "Decimal | None" = None

    def plus(self, other: "Usage") -> "Usage":
        """Returns the sum; an unknown cost counts as 0 if the other cost is known."""
        cost = other.cost if self.cost is None else self.cost + (other.cost or 0)
        return Usage(self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens, cost)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check of a task."""

    command: str
    exit_code: int
    output_tail: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A validator's decision."""

    passed: bool
    confidence: float | None = None
    findings: tuple[Finding, ...] = ()
    test_quality_score: float | None = None
    recommendations: tuple[str, ...] = ()
    summary: str = ""


@dataclass(frozen=True, slots=True)
class KillReceipt:
    """A record of how the processes of an attempt were ended."""

    containment: str = "none"
    processes_found: int = 0
    terminated: int = 0
    killed: int = 0
    survivors: int = 0
    duration_s: float = 0.0
    last_output: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """The class and text of an unsuccessful session or attempt."""

    kind: FailureClass
    error: str
    # The wait that the provider asked for; None if it named no time.
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of an attempt with everything that is reported about it."""

    kind: OutcomeKind
    failure: Failure | None = None
    builder_result: BuilderResult | None = None
    checks: tuple[CheckResult, ...] = ()
    verdict: Verdict | None = None
    kill_receipt: KillReceipt | None = None
    # True if the worker's --no-validation is the reason why there is no verdict.
    validation_waived: bool = False
    # None without a clone; `landing` is None if the work did not land.
    change: Change | None = None
    landing: Landing | None = None
    interrupted: bool = False  # a signal ended the worker


@dataclass(frozen=True, slots=True)
class SessionStart:
    """A request for the go of a session."""

    lease_id: LeaseId
    session_id: SessionId
    role: Role
    runner: str
    # None if the session gets no token of its own.
    token: SessionToken | None = None


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """A report that a session has ended; `exit_code` is None if no process was started."""

    start: SessionStart
    exit_code: int | None
    usage: Usage


@dataclass(frozen=True, slots=True)
class SessionLogLine:
    """An entry of a session's log, before it has a number."""

    kind: LogKind
    text: str
