"""The documents of findings and of the answers to them."""

from collections.abc import Sequence

from amplifier_swarm.documents import Document, words
from amplifier_swarm.v1.session_pb2 import Finding, FindingAnswer, FindingAnswerKind
from amplifier_swarm.v1.task_pb2 import Attempt


def findings_per_verdict(attempts: Sequence[Attempt]) -> Sequence[int]:
    """Returns the number of findings of each verdict, the earliest first."""
    return [len(attempt.verdict.findings) for attempt in attempts if attempt.HasField("verdict")]


def finding_document(finding: Finding) -> Document:
    """Returns the document of a finding."""
    return {
        "finding_id": finding.finding_id or None,
        "file": finding.file or None,
        "issue": finding.issue,
        "severity": finding.severity or None,
    }


def answer_document(answer: FindingAnswer) -> Document:
    """Returns the document of a builder's answer to a finding."""
    return {
        "finding_id": answer.finding_id or None,
        "kind": words.word(FindingAnswerKind, answer.kind),
        "why": answer.why or None,
    }
