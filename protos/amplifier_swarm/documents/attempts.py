"""The document of a task with all its attempts."""

from amplifier_swarm.documents import Document, words
from amplifier_swarm.documents.changes import change_document, landing_document
from amplifier_swarm.documents.enforcement import limits_document
from amplifier_swarm.documents.findings import answer_document, finding_document, findings_per_verdict
from amplifier_swarm.documents.holds import note_document
from amplifier_swarm.documents.receipts import receipt_document
from amplifier_swarm.documents.tasks import hold_document, progress_document, task_document, usage_document
from amplifier_swarm.v1.hold_pb2 import ApprovalPoint
from amplifier_swarm.v1.operator_service_pb2 import GetTaskResponse
from amplifier_swarm.v1.session_pb2 import (
    BuilderResult,
    CheckResult,
    Session,
    SessionRole,
    Verdict,
)
from amplifier_swarm.v1.task_pb2 import (
    Attempt,
    AttemptOutcome,
    DependencyFailurePolicy,
    DisconnectPolicy,
    ExpectedChanges,
    FailureClass,
    LandingStyle,
    LateResult,
    NetworkAccess,
    OutcomeKind,
    RetryFrom,
    SandboxKind,
    StartPoint,
    TaskDefinition,
    WorkspaceKind,
)


def show_document(answer: GetTaskResponse) -> Document:
    """Returns a task, its definition and its attempts."""
    return {
        **task_document(answer.task),
        **_definition(answer.definition),
        "course": list(findings_per_verdict(answer.attempts)),
        "attempts": [_attempt(attempt) for attempt in answer.attempts],
        "holds": [hold_document(hold) for hold in answer.holds],
        "notes": [note_document(note) for note in answer.notes],
    }


def _definition(definition: TaskDefinition) -> Document:
    policy = definition.on_dependency_failure or DependencyFailurePolicy.DEPENDENCY_FAILURE_POLICY_SKIP
    return {
        "description": definition.description or None,
        "acceptance_criteria": list(definition.acceptance_criteria),
        "files": list(definition.files),
        "design_docs": list(definition.design_docs),
        "checks": list(definition.checks),
        "on_dependency_failure": words.word(DependencyFailurePolicy, policy),
        "on_disconnect": words.word(
            DisconnectPolicy, definition.on_disconnect or DisconnectPolicy.DISCONNECT_POLICY_FENCE
        ),
        "validate": definition.validate if definition.HasField("validate") else None,
        "builder_agent": definition.builder_agent or None,
        "validator_agent": definition.validator_agent or None,
        "builder_timeout": words.seconds_of(definition, "builder_timeout"),
        "validator_timeout": words.seconds_of(definition, "validator_timeout"),
        "stall_timeout": words.seconds_of(definition, "stall_timeout"),
        "check_timeout": words.seconds_of(definition, "check_timeout"),
        "labels": dict(sorted(definition.labels.items())),
        "exclusive": list(definition.exclusive),
        "artifacts": list(definition.artifacts),
        **_workspace(definition),
    }


def _workspace(definition: TaskDefinition) -> Document:
    return {
        "workspace": words.word(WorkspaceKind, definition.workspace),
        "setup": list(definition.setup),
        "keep": list(definition.keep),
        "land": definition.land if definition.HasField("land") else None,
        "landing": words.word(LandingStyle, definition.landing),
        "landing_checks": list(definition.landing_checks),
        "changes": words.word(ExpectedChanges, definition.changes),
        "retry_from": words.word(RetryFrom, definition.retry_from),
        "sandbox": words.word(SandboxKind, definition.sandbox),
        "network": words.word(NetworkAccess, definition.network),
        "limits": limits_document(definition.limits),
        "approve": words.word(ApprovalPoint, definition.approve),
    }


def _attempt(attempt: Attempt) -> Document:
    return {
        "number": attempt.number,
        "outcome": words.word(AttemptOutcome, attempt.outcome),
        "worker": attempt.worker or None,
        "failure_class": words.word(FailureClass, attempt.failure_class),
        "error": attempt.error or None,
        "claimed_at": words.iso(attempt, "claimed_at"),
        "started_at": words.iso(attempt, "started_at"),
        "ended_at": words.iso(attempt, "ended_at"),
        "sessions": [_session(session) for session in attempt.sessions],
        "builder_result": _builder_result(attempt.builder_result)
        if attempt.HasField("builder_result")
        else None,
        "checks": [_check(check) for check in attempt.checks],
        "verdict": _verdict(attempt.verdict) if attempt.HasField("verdict") else None,
        "findings": [finding_document(finding) for finding in attempt.verdict.findings],
        "kill_receipt": receipt_document(attempt.kill_receipt) if attempt.HasField("kill_receipt") else None,
        "late_results": [_late_result(late) for late in attempt.late_results],
        "change": change_document(attempt.change) if attempt.HasField("change") else None,
        "landing": landing_document(attempt.landing) if attempt.HasField("landing") else None,
        "work_of": attempt.work_of or None,
        "starts_at": words.word(StartPoint, attempt.starts_at or _start_before(attempt)),
    }


def _start_before(attempt: Attempt) -> "StartPoint.ValueType":
    """Returns where an attempt started of which an older server does not say it."""
    return StartPoint.START_POINT_LANDING if attempt.work_of else StartPoint.START_POINT_BUILDER


def _session(session: Session) -> Document:
    return {
        "session_id": session.session_id,
        "role": words.word(SessionRole, session.role),
        "runner": session.runner or None,
        "started_at": words.iso(session, "started_at"),
        "ended_at": words.iso(session, "ended_at"),
        "exit_code": session.exit_code if session.HasField("exit_code") else None,
        "usage": usage_document(session.usage),
        "progress": progress_document(session.progress) if session.HasField("progress") else None,
    }


def _builder_result(result: BuilderResult) -> Document:
    return {
        "status": result.status or None,
        "files_created": list(result.files_created),
        "files_modified": list(result.files_modified),
        "tests_written": result.tests_written if result.HasField("tests_written") else None,
        "tests_passed": result.tests_passed if result.HasField("tests_passed") else None,
        "implementation_notes": result.implementation_notes or None,
        "blockers": list(result.blockers),
        "answers": [answer_document(answer) for answer in result.answers],
        "questions": [
            {"text": question.text, "options": list(question.options)} for question in result.questions
        ],
    }


def _check(check: CheckResult) -> Document:
    return {
        "command": check.command,
        "exit_code": check.exit_code,
        "output_tail": check.output_tail or None,
        "duration_s": words.seconds(check.duration),
    }


def _verdict(verdict: Verdict) -> Document:
    return {
        "verdict": "PASS" if verdict.passed else "FAIL",
        "confidence": words.finite(verdict.confidence) if verdict.HasField("confidence") else None,
        "test_quality_score": _score(verdict),
        "recommendations": list(verdict.recommendations),
        "summary": verdict.summary or None,
    }


def _score(verdict: Verdict) -> float | None:
    return words.finite(verdict.test_quality_score) if verdict.HasField("test_quality_score") else None


def _late_result(late: LateResult) -> Document:
    return {
        "received_at": words.iso(late, "received_at"),
        "outcome": words.word(OutcomeKind, late.outcome.kind),
        "failure_class": words.word(FailureClass, late.outcome.failure_class),
        "error": late.outcome.error or None,
    }
