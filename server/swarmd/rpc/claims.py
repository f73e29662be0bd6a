"""Claims as messages, with findings of earlier attempts and results of dependencies for the next builder."""

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from amplifier_swarm.v1 import hold_pb2, session_pb2
from amplifier_swarm.v1 import worker_service_pb2 as pb
from swarmd.domain.claim import Claim, DependencyResult
from swarmd.wire import definitions, enums, holds, outcomes

# The most characters that the results of all dependencies together add to a claim.
MAX_RESULTS_CHARS: Final = 64 * 1024
# The size that all findings together add to a claim.
MAX_FINDINGS_BYTES: Final = 512 * 1024
# The size that all answers of people add to a claim, and all their notes.
MAX_SAID_BYTES: Final = 64 * 1024

Sized = TypeVar("Sized", hold_pb2.Answer, hold_pb2.Note, session_pb2.Finding)


def write(claim: Claim, *, traceparent: str) -> pb.Claim:
    """Returns the claim as a message; `traceparent` is empty unless attempts are traced."""
    message = pb.Claim(
        task=definitions.write(claim.definition),
        lease_id=claim.lease_id,
        attempt=claim.number,
        epoch=claim.epoch,
        findings=_fitting(_findings(claim), MAX_FINDINGS_BYTES),
        last_error=claim.last_error,
        dependency_results=dependency_results(claim.dependency_results),
        traceparent=traceparent,
        creation=claim.creation,
        answers=_latest(holds.answers(claim.answers)),
        notes=_latest(holds.notes(claim.notes)),
    )
    if (start := claim.clone) is not None:
        message.base, message.first_base = start.base, start.first_base
        message.previous_head = start.previous_head
        message.previous_failure = enums.FAILURE_CLASS.to_wire(start.previous_failure)
    if (work := claim.work) is not None:
        message.starts_at = enums.START_POINT.to_wire(claim.starts_at)
        message.work.CopyFrom(
            pb.KeptWork(
                attempt=work.attempt, base=work.base, head=work.head, ref=work.ref, session_id=work.session_id
            )
        )
        report = outcomes.read_report(claim.work_report)
        if report.HasField("builder_result"):
            message.work.builder_result.CopyFrom(report.builder_result)
    return message


def _findings(claim: Claim) -> list[session_pb2.Finding]:
    """Returns what the next builder has to answer: what people have rejected, and what a validator has found."""
    rejected = [
        session_pb2.Finding(finding_id=f"p{said.hold_id}", issue=said.answer, severity="critical")
        for said in claim.rejections
    ]
    return [*rejected, *outcomes.read_report(claim.previous_report).verdict.findings]


def _fitting(messages: Iterable[Sized], room: int) -> list[Sized]:
    """Returns the first messages, as many as fit into that many bytes; at least one, if there is one."""
    kept: list[Sized] = []
    for message in messages:
        room -= message.ByteSize()
        if room < 0 and kept:
            break
        kept.append(message)
    return kept


def _latest(said: Sequence[Sized]) -> list[Sized]:
    """Returns the latest of what people have said, in its order."""
    return _fitting(reversed(said), MAX_SAID_BYTES)[::-1]


def dependency_results(results: Sequence[DependencyResult]) -> list[pb.DependencyResult]:
    """Returns the results, each cut to an equal share of MAX_RESULTS_CHARS."""
    if not results:
        return []
    share = MAX_RESULTS_CHARS // len(results)
    return [_dependency_result(result, share) for result in results]


def _dependency_result(result: DependencyResult, share: int) -> pb.DependencyResult:
    report = outcomes.read_report(result.report)
    message = pb.DependencyResult(
        task_id=result.task_id, name=result.name, verdict_summary=report.verdict.summary[: share // 4]
    )
    if report.HasField("builder_result"):
        message.builder_result.CopyFrom(_cut(report.builder_result, share * 3 // 4))
    return message


def _cut(built: session_pb2.BuilderResult, room: int) -> session_pb2.BuilderResult:
    """Returns the builder's result cut to `room` characters: files first, then notes."""
    kept = session_pb2.BuilderResult(status=built.status[:100])
    room -= len(kept.status)
    for paths, target in (
        (built.files_created, kept.files_created),
        (built.files_modified, kept.files_modified),
    ):
        for path in paths:
            room -= len(path) + 1
            if room < 0:
                return kept
            target.append(path)
    kept.implementation_notes = built.implementation_notes[:room]
    return kept
