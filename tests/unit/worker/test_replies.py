"""Replies are parsed strictly where they approve, and tolerantly everywhere else."""

import json

import pytest

from swarm_worker.domain.model import AnswerKind, BuilderResult, Finding, FindingAnswer
from swarm_worker.output.replies import last_object, objects, read_builder_result, read_verdict

NO_VERDICTS = {
    "nothing": "",
    "prose": "I approve. PASS.",
    "no verdict in it": '{"summary": "fine"}',
    "another word": '{"verdict": "APPROVED"}',
    "lower case": '{"verdict": "pass"}',
    "with spaces": '{"verdict": " PASS "}',
    "no text": '{"verdict": true}',
    "a list": '{"verdict": ["PASS"]}',
    "cut off": '{"verdict": "PASS", "critical_issues": [',
    "in an array": '[{"verdict": "PASS"}]',
    "python": "{'verdict': 'PASS'}",
    "an older one before the last": '{"verdict": "PASS"}\nand then {"note": "x"}',
    "inside something broken": '{"verdict": "FAIL", oops, "draft": {"verdict": "PASS"}}',
    "inside something cut": '{"verdict": "FAIL", oops, "drafts": [{"verdict": "PASS"}, ',
    "deeply nested": '{"a":' * 100_000 + '{"verdict": "PASS"}',
    "thousands of digits": '{"verdict": "PASS", "confidence": ' + "9" * 10_000 + "}",
}


@pytest.mark.parametrize("text", NO_VERDICTS.values(), ids=NO_VERDICTS.keys())
def test_d14_what_is_no_verdict_is_never_a_pass(text: str) -> None:
    assert read_verdict(text) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"verdict": "PASS"}',
        'Looks good.\n```json\n{"verdict": "PASS"}\n```\n',
        '{"verdict": "FAIL"}\nOn second thoughts:\n{"verdict": "PASS"}',
        'f() { return {}; }\nso {"verdict": "PASS", "summary": "a } and a { in it"}',
        '{"verdict": "PASS", "draft": {"verdict": "FAIL"}}',
    ],
)
def test_the_last_object_of_a_reply_decides(text: str) -> None:
    verdict = read_verdict(text)

    assert verdict is not None
    assert verdict.passed


def test_issues_become_findings_with_the_ids_that_they_were_given() -> None:
    verdict = read_verdict(
        json.dumps(
            {
                "verdict": "FAIL",
                "critical_issues": [
                    {"finding_id": "a1f2", "file": "a.py", "issue": "no test", "severity": "critical"},
                    "a bare text",
                    {"issue": ["odd", 1], "file": 7},
                    {},
                    None,
                ],
                "findings": {"issue": "one of another name"},
            }
        )
    )

    assert verdict is not None
    assert not verdict.passed
    assert verdict.findings == (
        Finding("a1f2", "a.py", "no test", "critical"),
        Finding("", "", "a bare text", ""),
        Finding("", "7", '["odd", 1]', ""),
        Finding("", "", "one of another name", ""),
    )


def test_numbers_outside_their_bounds_are_ignored() -> None:
    verdict = read_verdict('{"verdict": "PASS", "confidence": 85, "test_quality_score": NaN}')
    assert verdict is not None
    assert (verdict.confidence, verdict.test_quality_score) == (None, None)

    verdict = read_verdict('{"verdict": "PASS", "confidence": 1, "test_quality_score": 7.5}')
    assert verdict is not None
    assert (verdict.confidence, verdict.test_quality_score) == (1.0, 7.5)


def test_a_builder_result_of_odd_types_is_coerced() -> None:
    text = json.dumps(
        {
            "status": "completed",
            "files_created": "a.py",
            "files_modified": ["b.py", None, 3],
            "tests_written": "yes",
            "tests_passed": True,
            "implementation_notes": {"why": "so"},
            "blockers": None,
        }
    )

    assert read_builder_result(f"done\n{text}\nbye") == BuilderResult(
        status="completed",
        files_created=("a.py",),
        files_modified=("b.py", "3"),
        tests_written=None,
        tests_passed=True,
        implementation_notes='{"why": "so"}',
        blockers=(),
    )


def test_a_builder_s_answers_are_coerced_and_ignored_without_a_finding_s_id() -> None:
    answers = [
        {"finding_id": "a1f1", "kind": "fixed", "why": "added a test"},
        {"finding_id": "a1f2", "kind": "DISPUTED", "why": ["odd"]},
        {"finding_id": "a1f3", "kind": "ignored"},
        {"kind": "fixed"},
        "a1f4",
    ]

    result = read_builder_result(json.dumps({"answers": answers}))

    assert result is not None
    assert result.answers == (
        FindingAnswer("a1f1", AnswerKind.FIXED, "added a test"),
        FindingAnswer("a1f2", AnswerKind.DISPUTED, '["odd"]'),
        FindingAnswer("a1f3", AnswerKind.UNSPECIFIED, ""),
    )


def test_every_object_that_stands_by_itself_is_found() -> None:
    assert list(objects('noise {"a": 1}\n{\n  "b": {"c": 2}\n}\nbye')) == [{"a": 1}, {"b": {"c": 2}}]


def test_a_builder_may_end_without_a_report() -> None:
    assert read_builder_result("done, and nothing else") is None


def test_decoding_of_malformed_text_stops_before_it_becomes_expensive() -> None:
    garbage = ('{"a":' * 900 + "x\n") * 1_000

    assert last_object(garbage) is None


def test_a_value_that_is_nested_too_deeply_is_harmless() -> None:
    nested = "[" * 900 + "]" * 900

    verdict = read_verdict(f'{{"verdict": "FAIL", "summary": {nested}}}')

    assert verdict is None or not verdict.passed
