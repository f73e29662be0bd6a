"""The findings of validators, and the answers of the next builders, for people."""

from collections.abc import Iterator, Sequence

from amplifier_swarm.documents.findings import findings_per_verdict
from amplifier_swarm.v1.session_pb2 import Finding, FindingAnswer, FindingAnswerKind
from amplifier_swarm.v1.task_pb2 import Attempt
from swarmctl import text_format
from swarmctl.render.blocks import Block, prose

# An answer is indented below its finding.
ANSWER_INDENT = " " * 4


def course_text(attempts: Sequence[Attempt]) -> str:
    """Returns the number of findings of each verdict, such as `5 → 2 → 0`."""
    return " → ".join(str(count) for count in findings_per_verdict(attempts))


def next_answers(attempt: Attempt, attempts: Sequence[Attempt]) -> Sequence[FindingAnswer] | None:
    """Returns the next builder's answers to the findings of an attempt; None if no builder has reported
    yet.
    """
    later = (other for other in attempts if other.number > attempt.number)
    built = next((other for other in later if other.HasField("builder_result")), None)
    return None if built is None else built.builder_result.answers


def findings_blocks(attempt: Attempt, attempts: Sequence[Attempt]) -> Iterator[Block]:
    """Yields the findings of an attempt's validator, each with its answer below it."""
    answers = next_answers(attempt, attempts)
    for finding in attempt.verdict.findings:
        yield prose(_finding_text(finding))
        if answers is not None:
            yield prose(ANSWER_INDENT + _answer_text(finding, answers), "dim")


def _finding_text(finding: Finding) -> str:
    named = f"{finding.finding_id} " if finding.finding_id else ""
    return f"{named}[{finding.severity or 'finding'}] {finding.file or '-'}: {finding.issue}"


def _answer_text(finding: Finding, answers: Sequence[FindingAnswer]) -> str:
    answer = next((a for a in answers if a.finding_id and a.finding_id == finding.finding_id), None)
    if answer is None:
        return "the next builder said nothing to it"
    kind = text_format.word(FindingAnswerKind, answer.kind) or "answered"
    return f"{kind}: {answer.why}" if answer.why else kind
