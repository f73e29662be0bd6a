"""Claims for the wire, with what earlier attempts and other tasks have left for the next builder."""

from collections.abc import Sequence
from typing import Final

from amplifier_swarm.v1 import session_pb2
from amplifier_swarm.v1 import worker_service_pb2 as pb
from swarmd.domain.model import Claim, DependencyResult
from swarmd.wire import definitions, outcomes

# What all results of dependencies together may add to a claim, in characters.
HANDOFF_CHARS: Final = 64 * 1024


def write(claim: Claim, *, traceparent: str) -> pb.Claim:
    """The claim with everything that its builder should know."""
    return pb.Claim(
        task=definitions.write(claim.definition),
        lease_id=claim.lease_id,
        attempt=claim.number,
        epoch=claim.epoch,
        findings=outcomes.read_report(claim.previous_report).verdict.findings,
        last_error=claim.last_error,
        dependency_results=_handoff(claim.dependency_results),
        traceparent=traceparent,
    )


def _handoff(results: Sequence[DependencyResult]) -> list[pb.DependencyResult]:
    """Each result within its share of the room; a task with many dependencies gets less of each."""
    if not results:
        return []
    share = HANDOFF_CHARS // len(results)
    return [_result(result, share) for result in results]


def _result(result: DependencyResult, share: int) -> pb.DependencyResult:
    report = outcomes.read_report(result.report)
    message = pb.DependencyResult(
        task_id=result.task_id, name=result.name, verdict_summary=report.verdict.summary[: share // 4]
    )
    if report.HasField("builder_result"):
        message.builder_result.CopyFrom(_within(report.builder_result, share * 3 // 4))
    return message


def _within(built: session_pb2.BuilderResult, room: int) -> session_pb2.BuilderResult:
    """What the builder made, and as much of its notes as there is room for."""
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
