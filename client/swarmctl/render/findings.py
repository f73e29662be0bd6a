"""What each validator found, and what the next builder said to it, for people."""

from collections.abc import Iterator, Sequence

from amplifier_swarm.documents.findings import findings_per_verdict
from amplifier_swarm.v1.session_pb2 import Finding, FindingAnswer, FindingAnswerKind
from amplifier_swarm.v1.task_pb2 import Attempt
from swarmctl import text_format
from swarmctl.render.blocks import Block, prose

# Further to the right than what it answers.
ANSWER_INDENT = " " * 4


def course_text(attempts: Sequence[Attempt]) -> str:
    """How many findings each verdict had, such as `5 → 2 → 0`."""
    return " → ".join(str(count) for count in findings_per_verdict(attempts))


def answers_to(attempt: Attempt, attempts: Sequence[Attempt]) -> Sequence[FindingAnswer] | None:
    """What the next builder that reported said to the findings of an attempt; None if there is none yet."""
    later = (other for other in attempts if other.number > attempt.number)
    built = next((other for other in later if other.HasField("builder_result")), None)
    return None if built is None else built.builder_result.answers


def findings_blocks(attempt: Attempt, attempts: Sequence[Attempt]) -> Iterator[Block]:
    """What an attempt's validator found, each with its answer below it."""
    answers = answers_to(attempt, attempts)
    for finding in attempt.verdict.findings:
        yield prose(_told(finding))
        if answers is not None:
            yield prose(ANSWER_INDENT + _answered(finding, answers), "dim")


def _told(finding: Finding) -> str:
    named = f"{finding.finding_id} " if finding.finding_id else ""
    return f"{named}[{finding.severity or 'finding'}] {finding.file or '-'}: {finding.issue}"


def _answered(finding: Finding, answers: Sequence[FindingAnswer]) -> str:
    answer = next((a for a in answers if a.finding_id and a.finding_id == finding.finding_id), None)
    if answer is None:
        return "the next builder said nothing to it"
    kind = text_format.word(FindingAnswerKind, answer.kind) or "answered"
    return f"{kind}: {answer.why}" if answer.why else kind
