"""What the worker works with, as values: frozen, and free of the wire. `convert` makes them from messages.

Both are loaded with the first task; what a worker needs before is in `basics`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from swarm_worker.domain.types import LeaseId, Role, SessionId

if TYPE_CHECKING:
    from decimal import Decimal


class FailureClass(StrEnum):
    """Why an attempt did not succeed; the words of the wire in lower case."""

    AGENT_ERROR = "agent_error"
    VALIDATION_FAILED = "validation_failed"
    NO_VERDICT = "no_verdict"
    TIMEOUT = "timeout"
    STALLED = "stalled"
    CRASHED = "crashed"
    PROVIDER_LIMITED = "provider_limited"
    PROVIDER_DENIED = "provider_denied"
    BAD_CONFIG = "bad_config"


class OutcomeKind(StrEnum):
    """How an attempt ended, in the worker's words."""

    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    DECLINED = "declined"


class LogKind(StrEnum):
    """What a log entry is."""

    OUTPUT = "output"
    ERROR_OUTPUT = "error_output"
    TOOL_STARTED = "tool_started"
    TOOL_COMPLETED = "tool_completed"
    REPLY = "reply"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Task:
    """What of a task its attempt and its prompts need; `document` is all of it as JSON."""

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
    # Whether its sessions outlast any silence of the server.
    keep_on_disconnect: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault that a validator or a check found."""

    finding_id: str
    file: str
    issue: str
    severity: str


class AnswerKind(StrEnum):
    """What a builder says that it did about a finding."""

    UNSPECIFIED = "unspecified"
    FIXED = "fixed"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class FindingAnswer:
    """What a builder says about one finding that it was given."""

    finding_id: str
    kind: AnswerKind
    why: str = ""


@dataclass(frozen=True, slots=True)
class BuilderResult:
    """What a builder says of its own work. Never evidence."""

    status: str = ""
    files_created: tuple[str, ...] = ()
    files_modified: tuple[str, ...] = ()
    tests_written: bool | None = None
    tests_passed: bool | None = None
    implementation_notes: str = ""
    blockers: tuple[str, ...] = ()
    answers: tuple[FindingAnswer, ...] = ()


@dataclass(frozen=True, slots=True)
class DependencyResult:
    """What came of a task that another one depends on."""

    task_id: str
    name: str
    builder_result: BuilderResult | None = None
    verdict_summary: str = ""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A task together with the right to work on it."""

    task: Task
    lease_id: LeaseId
    attempt: int
    epoch: int
    findings: tuple[Finding, ...] = ()
    last_error: str = ""
    dependency_results: tuple[DependencyResult, ...] = ()
    # The trace that this attempt belongs to; empty if nobody traces.
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a session has used of a model; `cost` is in US dollars, None if no price is known."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: "Decimal | None" = None

    def plus(self, other: "Usage") -> "Usage":
        """Both together; a price that one of them lacks counts as none."""
        cost = other.cost if self.cost is None else self.cost + (other.cost or 0)
        return Usage(self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens, cost)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one of a task's checks gave."""

    command: str
    exit_code: int
    output_tail: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a validator decided."""

    passed: bool
    confidence: float | None = None
    findings: tuple[Finding, ...] = ()
    test_quality_score: float | None = None
    recommendations: tuple[str, ...] = ()
    summary: str = ""


@dataclass(frozen=True, slots=True)
class KillReceipt:
    """How the processes of an attempt were ended."""

    containment: str = "none"
    processes_found: int = 0
    terminated: int = 0
    killed: int = 0
    survivors: int = 0
    duration_s: float = 0.0
    last_output: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a session or an attempt did not succeed."""

    kind: FailureClass
    error: str
    # How long the provider asked to wait, if it did.
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended."""

    kind: OutcomeKind
    failure: Failure | None = None
    builder_result: BuilderResult | None = None
    checks: tuple[CheckResult, ...] = ()
    verdict: Verdict | None = None
    kill_receipt: KillReceipt | None = None


@dataclass(frozen=True, slots=True)
class SessionStart:
    """Asks for the go."""

    lease_id: LeaseId
    session_id: SessionId
    role: Role
    runner: str


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """Says that a session has ended; `exit_code` is None if no process came to be."""

    start: SessionStart
    exit_code: int | None
    usage: Usage


@dataclass(frozen=True, slots=True)
class SessionLogLine:
    """A piece of what a session did or printed, before it has a number."""

    kind: LogKind
    text: str
