"""A verdict counts only if it is beyond doubt; every other reply has none, with the reason."""

import json

import pytest

from swarm_worker.domain.model import Finding, Verdict
from swarm_worker.output.verdicts import read_verdict

PASS = '{"verdict": "PASS", "critical_issues": [], "summary": "ok"}'
FAIL = '{"verdict": "FAIL", "summary": "it crashes"}'

REFUSED = {
    "nothing": ("", "the reply is empty"),
    "prose": ("I approve. PASS.", "the reply has no JSON object"),
    "no verdict in it": ('{"summary": "fine"}', 'the last JSON object has no "verdict"'),
    "another word": ('{"verdict": "APPROVED"}', "`APPROVED` is neither PASS nor FAIL"),
    "lower case": ('{"verdict": "pass"}', "`pass` is neither PASS nor FAIL"),
    "with spaces": ('{"verdict": "PASS (mostly)"}', "`PASS (mostly)` is neither PASS nor FAIL"),
    "a boolean": ('{"verdict": true}', "`true` is neither PASS nor FAIL"),
    "a list of words": ('{"verdict": ["PASS"]}', "neither PASS nor FAIL"),
    "wrapped": (f'{{"ok": true, "result": {PASS}}}', 'only one inside it has a "verdict"'),
    "another key": ('{"VERDICT": "PASS"}', 'the last JSON object has no "verdict"'),
    "usage after it": (f'{PASS}\n{{"tokens": 812}}', 'no "verdict" (at line 2, column 1)'),
    "cut off": ('{"verdict": "PASS", "critical_issues": [', "not valid JSON at line 1, column 41"),
    "a comma too much": ('{"verdict": "PASS",}', "not valid JSON at line 1, column 20"),
    "python": ("{'verdict': 'PASS'}", "not valid JSON at line 1, column 2"),
    "a key twice": ('{"verdict": "FAIL", "verdict": "PASS"}', "the key 'verdict' occurs twice"),
    "no object around it": ('"verdict": "PASS"', 'a "verdict" outside of a JSON object'),
    "deeply nested": ('{"a":' * 100_000 + '{"verdict": "PASS"}', "too many objects or too much malformed JSON"),
    "thousands of digits": ('{"verdict": "PASS", "confidence": ' + "9" * 10_000 + "}", "not valid JSON"),
    "inside something malformed": ('{"verdict": "FAIL", oops, "draft": {"verdict": "PASS"}}', "not valid JSON"),
    "at the end of something malformed": (f'{{"verdict": "FAIL", oops, "draft":\n{PASS}', "not valid JSON"),
    "in an array": (f"[{PASS}]", "stands inside other text"),
    "in an array over lines": (f"[\n{PASS}\n]", "text follows the verdict: ']'"),
    "quoted in a sentence": (f"The notes quote {PASS}. I could not run the tests.", "stands inside other text"),
    "quoted at a sentence's end": (f"A pass would read {PASS}", "stands inside other text"),
    "quoted as in a mail": (f"> {PASS}", "stands inside other text"),
    "inside a word": (f"x{PASS}x", "stands inside other text"),
    "as code in a sentence": (f"`{PASS}`", "stands inside other text"),
    "an example": (f"I would have answered\n{PASS}\nhad the tests run.", "follows the verdict: 'had the tests"),
    "an example in a fence": (f"```json\n{PASS}\n```\nhad the tests run.", "follows the verdict: 'had the tests"),
    "braces after it": (f"{PASS}\nDone, total: {{1 file}}", "follows the verdict: 'Done, total"),
    "no sources": (f"{PASS}\nSources: none, the tests did not run.", "follows the verdict: 'Sources: none"),
    "a change of mind": (f"{FAIL}\nOn second thoughts:\n{PASS}", "two verdicts that differ: FAIL at line 1, column 1"),
    "a quoted pass after it": (f'{FAIL}\nA pass would read {{"verdict":"PASS"}}.', "two verdicts that differ"),
    "a pass, then a fail": (f"{PASS}\n{FAIL}", "two verdicts that differ: PASS at line 1"),
    "a pass over a fail": ('{"verdict": "PASS", "tests": {"verdict": "FAIL"}}', "differ: FAIL inside"),
    "the opposite in prose": (f"**Verdict:** FAIL\n\n{PASS}", "two verdicts that differ: FAIL at line 1"),
    "a critical text": ('{"verdict": "PASS", "critical_issues": ["x is broken"]}', "PASS with critical issues"),
    "a critical issue": ('{"verdict":"PASS","critical_issues":[{"issue":"x","severity":"major"}]}', "issues: 'x'"),
    "an issue by another key": ('{"verdict":"PASS","critical_issues":[{"text":"x"}]}', "PASS with critical issues"),
    "a critical finding": ('{"verdict":"PASS","findings":[{"issue":"x","severity":"CRITICAL"}]}', "issues: 'x'"),
    "passed is false": ('{"verdict": "PASS", "passed": false}', "PASS with 'passed' False"),
    "issues by another key": ('{"verdict":"PASS","issues":[{"issue":"x","severity":"critical"}]}', "'severity'"),
    "a failed criterion": ('{"verdict":"PASS","criteria":[{"name":"a","result":"FAIL"}]}', "'result' FAIL"),
    "tests that fail": ('{"verdict":"PASS","tests_passed":false}', "'tests_passed' False"),
    "another verdict": ('{"verdict":"PASS","overall_verdict":"FAIL"}', "'overall_verdict' FAIL"),
    "a status": ('{"verdict":"PASS","status":"FAIL"}', "'status' FAIL"),
    "no success": ('{"verdict":"PASS","success":false}', "'success' False"),
    "a blocker": ('{"verdict":"PASS","blockers":["could not run"]}', "'blockers'"),
    "an unmet criterion": ('{"verdict":"PASS","criteria":[{"name":"a","met":false}]}', "'met' False"),
    "issues in camel case": ('{"verdict":"PASS","criticalIssues":["x"]}', "'criticalIssues'"),
    "issues in capitals": ('{"verdict":"PASS","Critical_Issues":["x"]}', "'Critical_Issues'"),
    "severity P0": ('{"verdict":"PASS","findings":[{"issue":"x","severity":"P0"}]}', "critical issues: 'x'"),
    "severity error": ('{"verdict":"PASS","findings":[{"issue":"x","severity":"error"}]}', "critical issues: 'x'"),
    "severity in words": ('{"verdict":"PASS","findings":[{"issue":"x","severity":"CRITICAL (now)"}]}', "issues: 'x'"),
    "a critical wish": ('{"verdict":"PASS","recommendations":[{"severity":"critical","issue":"x"}]}', "'severity'"),
    "none, with a detail": (
        '{"verdict":"PASS","critical_issues":[{"issue":"none","severity":"critical","detail":"loss"}]}',
        "PASS with 'critical_issues'",
    ),
    "an example in words": (f"Example of a pass:\n```json\n{PASS}\n```", "the verdict is an example"),
    "an answer that would pass": (f"A passing answer would be:\n\n{PASS}", "the verdict is an example"),
    "a fence that is not closed": (f"~~~json\n{PASS}", "fence around the verdict is not closed"),
    "a bare word": (f"FAIL\n\n{PASS}", "differ: FAIL at line 1"),
    "a sentence": (f"The final verdict is **FAIL**: it crashes.\n{PASS}", "differ: FAIL at line 1"),
}  # fmt: skip

ACCEPTED = {
    "bare": PASS,
    "after prose with braces": f"f() {{ return {{}}; }} and all hold {{see the log}}.\n\n{PASS}\n",
    "in a fence": f"All good.\n```json\n{PASS}\n```\n",
    "in a fence over lines": f"```\n{json.dumps(json.loads(PASS), indent=2)}\n```",
    "in a fence on one line": f"```json {PASS} ```",
    "a line break in a text": '{"verdict":"PASS","summary":"a\nb"}',
    "the key in prose": f'The parser tests use `"verdict": "x"`.\n{PASS}',
    "an earlier verdict": f"An earlier validator said Verdict: FAIL, fixed now.\n{PASS}",
    "a criterion that is met": '{"verdict": "PASS", "criteria": [{"verdict": "MET"}]}',
    "no issues, in a sentence": '{"verdict": "PASS", "critical_issues": ["No critical issues found."]}',
    "a resolved issue": '{"verdict":"PASS","critical_issues":[{"issue":"x","severity":"high","status":"resolved"}]}',
    "code in a fence before it": f"```\nf()\n```\n{PASS}",
    "a form that was asked for": f"The verdict in the required format:\n```json\n{PASS}\n```",
    "an expected refusal": '{"verdict": "PASS", "evidence": [{"test": "bad token", "result": "rejected with 401"}]}',
    "counts of tests": '{"verdict": "PASS", "tests": {"passed": 12, "failed": 0}, "errors": []}',
    "sources after the fence": f"All good.\n```json\n{PASS}\n```\nSources: a.py:3\n",
    "sources as a list": f"{PASS}\n\nSources:\n- src/a.py:3, b.py\n1. https://example.org/x\n",
    "a rule after it": f"{PASS}\n---\n",
    "colours and a spinner": f"{PASS}\x1b[0m\n\u280b \r\n",
    "a progress line before it": f"\u280b thinking\r{PASS}\n",
    "a byte order mark": f"\ufeff{PASS}",
    "lines that end in CRLF": f"ok\r\n{PASS}\r\n",
    "said twice": f"{PASS}\n{PASS}",
    "quoted before": f'The form is {{"verdict": "PASS"}}.\n{PASS}',
    "an echo of the prompt": f'{{"verdict": "PASS | FAIL"}}\n{PASS}',
    "the format in its summary": '{"verdict": "PASS", "summary": "the form {\\"verdict\\": \\"FAIL\\"} is used"}',
    "no issues, in words": '{"verdict": "PASS", "critical_issues": ["None."]}',
    "a minor issue": '{"verdict": "PASS", "critical_issues": [{"issue": "a typo", "severity": "minor"}]}',
}


@pytest.mark.parametrize(("text", "fault"), REFUSED.values(), ids=REFUSED.keys())
def test_d14_a_doubtful_verdict_never_counts_and_the_reason_is_named(text: str, fault: str) -> None:
    reading = read_verdict(text)

    assert reading.verdict is None
    assert fault in reading.fault
    assert len(reading.fault) < 300


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_clear_verdict_at_the_end_of_a_reply_counts(text: str) -> None:
    reading = read_verdict(text)

    assert reading.fault == ""
    assert reading.verdict is not None
    assert reading.verdict.passed


def test_every_kind_of_fault_has_a_reason_of_its_own() -> None:
    texts = [
        PASS + '\n{"tokens": 1}',
        '{"verdict":"PASS",}',
        '{"verdict":"pass"}',
        f'{{"r": {PASS}}}',
    ]

    assert len({read_verdict(text).fault for text in texts}) == len(texts)


def test_a_fail_may_contain_criteria_that_pass() -> None:
    verdict = _verdict('{"verdict": "FAIL", "criteria": [{"verdict": "PASS"}, {"verdict": "FAIL"}]}')

    assert not verdict.passed


def test_issues_become_findings_with_the_ids_that_they_were_given() -> None:
    verdict = _verdict(
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

    assert not verdict.passed
    assert verdict.findings == (
        Finding("a1f2", "a.py", "no test", "critical"),
        Finding("", "", "a bare text", ""),
        Finding("", "7", '["odd", 1]', ""),
        Finding("", "", "one of another name", ""),
    )


def test_numbers_outside_their_bounds_are_ignored() -> None:
    verdict = _verdict('{"verdict": "PASS", "confidence": 85, "test_quality_score": NaN}')
    assert (verdict.confidence, verdict.test_quality_score) == (None, None)

    verdict = _verdict('{"verdict": "PASS", "confidence": 1, "test_quality_score": 7.5}')
    assert (verdict.confidence, verdict.test_quality_score) == (1.0, 7.5)


def test_a_value_that_is_nested_too_deeply_is_harmless() -> None:
    nested = "[" * 900 + "]" * 900

    verdict = read_verdict(f'{{"verdict": "FAIL", "summary": {nested}}}').verdict

    assert verdict is None or not verdict.passed


@pytest.mark.slow
def test_a_reply_of_malformed_objects_is_given_up_before_it_becomes_expensive() -> None:
    assert read_verdict(('{"a":' * 900 + "x\n") * 1_000).fault == (
        "the reply has too many objects or too much malformed JSON"
    )


def _verdict(text: str) -> Verdict:
    verdict = read_verdict(text).verdict
    assert verdict is not None
    return verdict
