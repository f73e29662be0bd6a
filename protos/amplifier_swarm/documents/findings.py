"""Findings, the answers to them, and their course."""

from collections.abc import Sequence

from amplifier_swarm.documents import words
from amplifier_swarm.documents.document import Document
from amplifier_swarm.v1.session_pb2 import Finding, FindingAnswer, FindingAnswerKind
from amplifier_swarm.v1.task_pb2 import Attempt


def course(attempts: Sequence[Attempt]) -> Sequence[int]:
    """How many findings each verdict had, the earliest first."""
    return [len(attempt.verdict.findings) for attempt in attempts if attempt.HasField("verdict")]


def finding_document(finding: Finding) -> Document:
    """One finding."""
    return {
        "finding_id": finding.finding_id or None,
        "file": finding.file or None,
        "issue": finding.issue,
        "severity": finding.severity or None,
    }


def answer_document(answer: FindingAnswer) -> Document:
    """What a builder said to one finding."""
    return {
        "finding_id": answer.finding_id or None,
        "kind": words.word(FindingAnswerKind, answer.kind),
        "why": answer.why or None,
    }
