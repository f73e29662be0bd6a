"""`swarmctl show`: the findings of a task over all its attempts."""

from collections.abc import Sequence

import pytest

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.session_pb2 import (
    BuilderResult,
    Finding,
    FindingAnswer,
    FindingAnswerKind,
    Verdict,
)
from amplifier_swarm.v1.task_pb2 import Attempt, Task
from support.operator import FakeOperator
from unit.client.conftest import Ctl, in_every_form

FIXED = FindingAnswerKind.FINDING_ANSWER_KIND_FIXED
DISPUTED = FindingAnswerKind.FINDING_ANSWER_KIND_DISPUTED
NEITHER = FindingAnswerKind.FINDING_ANSWER_KIND_UNSPECIFIED
TASK = Task(task_id="a")


def finding(name: str, issue: str = "wrong") -> Finding:
    return Finding(finding_id=name, file="a.py", issue=issue, severity="major")


def answer(name: str, kind: FindingAnswerKind.ValueType, why: str = "") -> FindingAnswer:
    return FindingAnswer(finding_id=name, kind=kind, why=why)


def judged(number: int, *findings: Finding, answers: Sequence[FindingAnswer] = ()) -> Attempt:
    return Attempt(
        number=number,
        builder_result=BuilderResult(answers=answers),
        verdict=Verdict(passed=not findings, findings=findings),
    )


COURSE = [
    judged(1, finding("a1f1"), finding("a1f2", "two\nlines"), finding("a1f3")),
    # No builder has reported, so none has answered yet.
    Attempt(number=2),
    judged(
        3,
        finding("a1f2"),
        answers=[answer("a1f1", FIXED, "renamed"), answer("a1f2", DISPUTED, "it is \x1b[31mmeant")],
    ),
    judged(4, answers=[answer("a1f2", FIXED)]),
]


def test_show_lists_findings_per_verdict_and_the_builders_answers(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["GetTask"] = wire.GetTaskResponse(task=TASK, attempts=COURSE)

    document, text = in_every_form(ctl, "show", "a")

    assert document["course"] == [3, 1, 0]
    assert document["attempts"][2]["builder_result"]["answers"] == [
        {"finding_id": "a1f1", "kind": "fixed", "why": "renamed"},
        {"finding_id": "a1f2", "kind": "disputed", "why": "it is \x1b[31mmeant"},
    ]
    lines = [line.strip() for line in text.splitlines()]
    assert any(line.split() == ["findings", "3", "→", "1", "→", "0"] for line in lines)
    third, first = lines.index("Attempt 3"), lines.index("Attempt 1")
    found = [line for line in lines if line.startswith("verdict")]
    assert [line.split()[-1] for line in found] == ["PASS", "FAIL", "FAIL"]
    assert lines[third:first].count("a1f2 [major] a.py: wrong") == 1
    begin = lines.index("a1f2 [major] a.py: wrong") + 1
    assert lines[begin] == "fixed"
    begin = lines.index("a1f1 [major] a.py: wrong")
    assert lines[begin:][:7] == [
        "a1f1 [major] a.py: wrong",
        "fixed: renamed",
        "a1f2 [major] a.py: two",
        "lines",
        "disputed: it is \\x1b[31mmeant",
        "a1f3 [major] a.py: wrong",
        "the next builder said nothing to it",
    ]


def test_findings_that_no_builder_has_seen_yet_stand_alone(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["GetTask"] = wire.GetTaskResponse(task=TASK, attempts=COURSE[:2])

    document, text = in_every_form(ctl, "show", "a")

    assert document["course"] == [3]
    assert text.endswith("    a1f2 [major] a.py: two\n    lines\n    a1f3 [major] a.py: wrong\n")


def test_an_answer_of_a_kind_that_is_none_of_ours_is_still_shown(ctl: Ctl, operator: FakeOperator) -> None:
    later = judged(2, answers=[answer("a1f1", NEITHER, "deferred")])
    operator.answers["GetTask"] = wire.GetTaskResponse(task=TASK, attempts=[COURSE[0], later])

    document, text = in_every_form(ctl, "show", "a")

    assert document["attempts"][1]["builder_result"]["answers"][0]["kind"] is None
    assert "        answered: deferred\n" in text


def test_a_task_without_a_verdict_has_no_finding_counts(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["GetTask"] = wire.GetTaskResponse(task=TASK, attempts=[Attempt(number=1)])

    document, text = in_every_form(ctl, "show", "a")

    assert document["course"] == []
    assert "findings" not in text


@pytest.mark.parametrize(("attempt", "expected"), [(0, "none yet"), (3, "3 of 3"), (4, "4")])
def test_show_counts_no_attempt_against_a_number_that_a_retry_has_passed(
    ctl: Ctl, operator: FakeOperator, attempt: int, expected: str
) -> None:
    task = Task(task_id="a", attempt=attempt, max_retries=2)
    operator.answers["GetTask"] = wire.GetTaskResponse(task=task)

    assert ["attempt", *expected.split()] in [line.split() for line in ctl("show", "a").out.splitlines()]
