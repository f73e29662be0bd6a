"""Conversion of the worker's values to wire messages; `assignments` converts claims.

Invariant: text leaves here as valid UTF-8 and within its bounds.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from google.protobuf import duration_pb2, timestamp_pb2

from amplifier_swarm.v1 import session_pb2, task_pb2, worker_service_pb2
from swarm_worker.domain import changes, model, types

ISSUE_CHARS: Final = 4_000
NOTES_CHARS: Final = 16_000
TAIL_CHARS: Final = 8_000
WHY_CHARS: Final = 2_000
# The text of a session is bounded, so that no outcome outgrows a message.
ITEMS: Final = 200
ITEM_CHARS: Final = 1_000
# Sums of what agents report may outgrow the field; one that can't be encoded would lose the whole outcome.
INT64_MAX: Final = 2**63 - 1
LOG_TEXT_BYTES: Final = 8 * 1024
QUESTIONS: Final = 10
OPTIONS: Final = 20

_ROLES: Final = {role: session_pb2.SessionRole.Value(f"SESSION_ROLE_{role.name}") for role in types.Role}
_KINDS: Final = {kind: session_pb2.LogKind.Value(f"LOG_KIND_{kind.name}") for kind in model.LogKind}


def session_start(start: model.SessionStart) -> worker_service_pb2.SessionRecord:
    """Returns the request for the go of a session."""
    record = worker_service_pb2.SessionRecord(
        lease_id=start.lease_id, session_id=start.session_id, role=_ROLES[start.role], runner=start.runner
    )
    if start.token is not None:
        record.token_id, record.token_hash = start.token.token_id, start.token.secret_hash
    return record


def checks_start(lease_id: types.LeaseId) -> worker_service_pb2.SessionRecord:
    """Returns the request for the go of an attempt that starts with its checks."""
    return worker_service_pb2.SessionRecord(lease_id=lease_id, checks=True)


def session_end(end: model.SessionEnd) -> worker_service_pb2.SessionRecord:
    """Returns the report of a session's end."""
    record = session_start(replace(end.start, token=None))
    record.end.CopyFrom(worker_service_pb2.SessionEnd(exit_code=end.exit_code, usage=usage(end.usage)))
    return record


def usage(used: model.Usage) -> session_pb2.Usage:
    """Returns the tokens and the cost of a session; the cost is empty if no price is known."""
    return session_pb2.Usage(
        input_tokens=min(used.input_tokens, INT64_MAX),
        output_tokens=min(used.output_tokens, INT64_MAX),
        cost=f"{used.cost:f}" if used.cost is not None else "",
    )


def log_entry(entry: model.SessionLogLine, *, number: int, wall_s: float) -> session_pb2.LogEntry:
    """Returns a numbered log entry, its text cut to `LOG_TEXT_BYTES`."""
    stamp = timestamp_pb2.Timestamp()
    stamp.FromMicroseconds(int(wall_s * 1e6))
    return session_pb2.LogEntry(
        number=number,
        logged_at=stamp,
        kind=_KINDS[entry.kind],
        text=_cut_bytes(_valid_text(entry.text)),
    )


def finished(
    lease_id: types.LeaseId, outcome: model.Outcome, ends: Iterable[model.SessionEnd] = ()
) -> worker_service_pb2.FinishedAttempt:
    """Returns the outcome as FinishTask sends it and the outbox stores it; `ends` are not recorded yet."""
    message = task_pb2.Outcome(
        kind=task_pb2.OutcomeKind.Value(f"OUTCOME_KIND_{outcome.kind.name}"),
        validation_waived=outcome.validation_waived,
        interrupted=outcome.interrupted,
    )
    if outcome.failure is not None:
        message.failure_class = task_pb2.FailureClass.Value(f"FAILURE_CLASS_{outcome.failure.kind.name}")
        message.error = _cut(outcome.failure.error, ISSUE_CHARS)
        if outcome.failure.retry_after_s is not None:
            message.retry_after.CopyFrom(_duration(outcome.failure.retry_after_s))
    if outcome.builder_result is not None:
        message.builder_result.CopyFrom(_builder_result(outcome.builder_result))
    message.checks.extend(_check(check) for check in outcome.checks[:ITEMS])
    if outcome.verdict is not None:
        message.verdict.CopyFrom(_verdict(outcome.verdict))
    if outcome.kill_receipt is not None:
        message.kill_receipt.CopyFrom(_receipt(outcome.kill_receipt))
    if outcome.change is not None:
        message.change.CopyFrom(_change(outcome.change))
    if outcome.landing is not None:
        message.landing.CopyFrom(_landing(outcome.landing))
    return worker_service_pb2.FinishedAttempt(
        lease_id=lease_id, outcome=message, ends=[session_end(end) for end in ends]
    )


def _builder_result(result: model.BuilderResult) -> session_pb2.BuilderResult:
    return session_pb2.BuilderResult(
        status=_cut(result.status, ITEM_CHARS),
        files_created=_cut_items(result.files_created),
        files_modified=_cut_items(result.files_modified),
        tests_written=result.tests_written,
        tests_passed=result.tests_passed,
        implementation_notes=_cut(result.implementation_notes, NOTES_CHARS),
        blockers=_cut_items(result.blockers),
        answers=[_finding_answer(answer) for answer in result.answers[:ITEMS]],
        questions=[
            session_pb2.Question(
                text=_cut(asked.text, ISSUE_CHARS),
                options=_cut_items(asked.options[:OPTIONS]),
                hold_id=asked.hold_id,
            )
            for asked in result.questions[:QUESTIONS]
        ],
    )


def _finding_answer(answer: model.FindingAnswer) -> session_pb2.FindingAnswer:
    return session_pb2.FindingAnswer(
        finding_id=_cut(answer.finding_id, ITEM_CHARS),
        kind=session_pb2.FindingAnswerKind.Value(f"FINDING_ANSWER_KIND_{answer.kind.name}"),
        why=_cut(answer.why, WHY_CHARS),
    )


def _check(check: model.CheckResult) -> session_pb2.CheckResult:
    return session_pb2.CheckResult(
        command=_valid_text(check.command),
        exit_code=check.exit_code,
        output_tail=_valid_text(check.output_tail)[-TAIL_CHARS:],
        duration=_duration(check.duration_s),
    )


def _verdict(verdict: model.Verdict) -> session_pb2.Verdict:
    return session_pb2.Verdict(
        passed=verdict.passed,
        confidence=verdict.confidence,
        findings=[
            session_pb2.Finding(
                finding_id=finding.finding_id,
                file=_cut(finding.file, ITEM_CHARS),
                issue=_cut(finding.issue, ISSUE_CHARS),
                severity=_cut(finding.severity, ITEM_CHARS),
            )
            for finding in verdict.findings[:ITEMS]
        ],
        test_quality_score=verdict.test_quality_score,
        recommendations=_cut_items(verdict.recommendations),
        summary=_cut(verdict.summary, ISSUE_CHARS),
    )


def _receipt(receipt: model.KillReceipt) -> session_pb2.KillReceipt:
    return session_pb2.KillReceipt(
        containment=receipt.containment,
        processes_found=receipt.processes_found,
        terminated=receipt.terminated,
        killed=receipt.killed,
        survivors=receipt.survivors,
        duration=_duration(receipt.duration_s),
        last_output=_valid_text(receipt.last_output)[-ISSUE_CHARS:],
    )


def _change(change: changes.Change) -> task_pb2.Change:
    return task_pb2.Change(
        base=change.base,
        head=change.head,
        ref=change.ref,
        files=[
            task_pb2.ChangedFile(
                path=_cut(file.path, ITEM_CHARS), status=file.status, added=file.added, removed=file.removed
            )
            for file in change.files
        ],
        file_count=change.file_count,
        patch=_valid_text(change.patch),
        ignored=_cut_items(change.ignored),
    )


def _landing(landing: changes.Landing) -> task_pb2.Landing:
    return task_pb2.Landing(
        target=landing.target, commit=landing.commit, onto=landing.onto, found=landing.found
    )


def _duration(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromMicroseconds(int(seconds * 1e6))
    return duration


def _cut_items(texts: Iterable[str]) -> list[str]:
    return [_cut(text, ITEM_CHARS) for text in list(texts)[:ITEMS]]


def _cut(text: str, limit: int) -> str:
    text = _valid_text(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _valid_text(text: str) -> str:
    """Replaces NULs and lone surrogates, which JSON can carry and a message can't."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _cut_bytes(text: str) -> str:
    data = text.encode()
    if len(data) <= LOG_TEXT_BYTES:
        return text
    note = f" … [{len(data)} bytes, cut]"
    return data[: LOG_TEXT_BYTES - len(note.encode())].decode(errors="ignore") + note
