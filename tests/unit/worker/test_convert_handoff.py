"""Conversion of the handoff between sessions: results of dependencies, and answers to findings."""

from amplifier_swarm.v1 import session_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.domain.model import (
    AnswerKind,
    BuilderResult,
    DependencyResult,
    FindingAnswer,
    Outcome,
    OutcomeKind,
)
from swarm_worker.domain.types import LeaseId
from swarm_worker.rpc import assignments, convert


def test_the_results_of_dependencies_come_with_the_claim_in_its_order() -> None:
    built = session_pb2.BuilderResult(
        status="completed",
        files_created=["a.py"],
        files_modified=["b.py"],
        tests_passed=False,
        implementation_notes="n",
        blockers=["c"],
    )
    claim = wire.Claim(
        dependency_results=[
            wire.DependencyResult(task_id="a", name="A", builder_result=built, verdict_summary="well made"),
            wire.DependencyResult(task_id="b", builder_result=session_pb2.BuilderResult()),
            wire.DependencyResult(task_id="c"),
        ]
    )

    results = assignments.assignment(claim).dependency_results

    assert results == (
        DependencyResult(
            "a", "A", BuilderResult("completed", ("a.py",), ("b.py",), None, False, "n", ("c",)), "well made"
        ),
        DependencyResult("b", "", BuilderResult()),
        DependencyResult("c", ""),
    )


def test_every_answer_to_a_finding_can_be_sent() -> None:
    answers = tuple(FindingAnswer(f"a1f{n}", kind, "w" * 9_000) for n, kind in enumerate(AnswerKind))
    outcome = Outcome(OutcomeKind.COMPLETED, builder_result=BuilderResult(answers=answers))

    sent = convert.finished(LeaseId("l"), outcome).outcome.builder_result.answers

    assert [(answer.finding_id, answer.kind) for answer in sent] == [
        ("a1f0", session_pb2.FINDING_ANSWER_KIND_UNSPECIFIED),
        ("a1f1", session_pb2.FINDING_ANSWER_KIND_FIXED),
        ("a1f2", session_pb2.FINDING_ANSWER_KIND_DISPUTED),
    ]
    assert {len(answer.why) for answer in sent} == {2_000}


def test_no_more_answers_are_sent_than_a_message_should_hold() -> None:
    many = BuilderResult(answers=(FindingAnswer("a1f1", AnswerKind.FIXED),) * 10_000)

    sent = convert.finished(LeaseId("l"), Outcome(OutcomeKind.COMPLETED, builder_result=many))

    assert len(sent.outcome.builder_result.answers) == 200
