"""A builder's report is found whatever surrounds it, and coerced where that is harmless."""

import json

import pytest

from swarm_worker.domain.model import AnswerKind, BuilderResult, FindingAnswer
from swarm_worker.domain.people import Question
from swarm_worker.domain.reply_rules import STATUS_CHOICES, unfinished_reason
from swarm_worker.output.replies import read_builder_result

DONE = '{"status": "completed", "blockers": []}'
BLOCKED = '{"status": "blocked", "blockers": ["no password"]}'

UNFINISHED = {
    "blocked": ('{"status": "blocked", "blockers": ["no password"]}', "reports 'blocked': no password"),
    "partial": ('{"status": "partial", "implementation_notes": "half"}', "reports 'partial': half"),
    "failed": ('{"status": "failed"}', "the builder reports 'failed'"),
    "in capitals": ('{"status": "Blocked"}', "the builder reports 'Blocked'"),
    "an unknown word": ('{"status": "needs_input"}', "reports 'needs_input'"),
    "no text": ('{"status": false}', "reports 'false'"),
    "tests that fail": ('{"status": "completed", "tests_passed": false}', "reports that tests fail"),
    "tests that fail, as text": ('{"status": "completed", "tests_passed": "No"}', "reports that tests fail"),
    "blockers": ('{"status": "completed", "blockers": ["no key"]}', "reports blockers: no key"),
    "one blocker as text": ('{"status": "completed", "blockers": "no key"}', "reports blockers: no key"),
    "a question": ('{"status": "completed", "questions": ["Which port?"]}', "the builder asks: Which port?"),
    "one question by its own key": (
        '{"status": "completed", "question": "Which port?"}',
        "asks: Which port?",
    ),
    "prose after it": (f"{BLOCKED}\nSorry.", "no password"),
    "usage after it": (f'{BLOCKED}\n{{"tokens": 812}}', "no password"),
    "a status after it": (f'{BLOCKED}\n{{"status": "ok"}}', "no password"),
    "a quoted success after it": (f"{BLOCKED}\nA success would read {DONE}.", "no password"),
    "in a sentence": (f"I end with {BLOCKED}", "no password"),
    "in a fence": (f"```json\n{BLOCKED}\n```", "no password"),
    "a line break in a text": ('{"status": "blocked", "blockers": ["no\npassword"]}', "no\npassword"),
    "a comma too much": ('{"status": "blocked",}', "reports 'blocked'"),
    "python": ("{'status': 'blocked'}", "reports 'blocked'"),
    "a key twice": ('{"status": "blocked", "status": "completed"}', "'blocked'"),
    "wrapped": ('{"result": {"status": "blocked", "blockers": ["no key"]}}', "reports 'blocked': no key"),
    "keys in capitals": ('{"Status": "blocked", "Blockers": ["no key"]}', "reports 'blocked': no key"),
    "malformed, with blockers": ('{"status": "completed", "blockers": ["no key"],}', "blockers: no key"),
    "malformed, with tests": ('{"status": "completed", "tests_passed": false,}', "tests fail"),
    "cut off": ('{"status": "completed", "blockers": ["no key"', "blockers: no key"),
    "one blocker by its own key": ('{"status": "completed", "blocker": "no key"}', "blockers: no key"),
    "blockers by two keys": (
        '{"status": "completed", "blocker": "no key", "blockers": []}',
        "blockers: no key",
    ),
    "a status by two keys": ('{"Status": "blocked", "status": "completed"}', "reports 'blocked'"),
    "tests in words": ('{"status": "completed", "tests_passed": "no, 3 of 5 fail"}', "tests fail"),
    "tests in numbers": ('{"status": "completed", "tests_passed": "2 of 5"}', "tests fail"),
    "no test passed": ('{"status": "completed", "tests_passed": 0}', "tests fail"),
    "tests that nobody understands": ('{"status": "completed", "tests_passed": "unclear"}', "tests fail"),
    "yaml": ("status: blocked\nblockers:\n - no key", "reports 'blocked'"),
    "markdown": ("**Status:** BLOCKED\n", "reports 'BLOCKED'"),
    "blocked at last": (
        '{"status": "completed", "blockers": []}\n{"status": "blocked"}',
        "reports 'blocked'",
    ),
    "a key without quotes": ('{status: "blocked"}', "reports 'blocked'"),
    "not done": ('{"status": "not done"}', "reports 'not done'"),
    "a cross": ('{"status": "\u274c"}', "reports"),
}
FINISHED = {
    "completed": DONE,
    "another word": '{"status": "Success"}',
    "no status": '{"files_created": ["a.py"], "implementation_notes": "ok"}',
    "blockers in words": '{"status": "completed", "blockers": ["None", "n/a", "-"]}',
    "no tests": '{"status": "completed", "tests_passed": null, "blockers": null}',
    "progress before it": '{"status": "in_progress"}\n{"status": "done"}',
    "blocked, then not": f"{BLOCKED}\nI found the password.\n{DONE}",
    "an echo of the prompt": json.dumps({"status": STATUS_CHOICES, "blockers": []}) + f"\n{DONE}",
    "nothing after it": f"{DONE}\nbye",
    "no blockers, in a sentence": '{"status": "completed", "blockers": ["No blockers encountered"]}',
    "none at this time": '{"status": "completed", "blockers": ["None at this time", "Not applicable", "\u2014"]}',
    "none, all done": '{"status": "completed", "blockers": ["None - all work completed"]}',
    "successfully": '{"status": "completed successfully"}',
    "a tick": '{"status": "\u2705 completed"}',
    "all done": '{"status": "all done"}',
    "implemented": '{"status": "implemented"}',
    "pass": '{"status": "pass"}',
    "no tests needed": '{"status": "completed", "tests_written": false, "tests_passed": false}',
    "tests not applicable": '{"status": "completed", "tests_passed": "n/a"}',
    "all tests": '{"status": "completed", "tests_passed": "all 12 tests pass, 0 failures"}',
    "each test": '{"status": "completed", "tests_passed": "5 of 5"}',
}  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), UNFINISHED.values(), ids=UNFINISHED.keys())
def test_a_report_that_denies_success_is_never_read_as_success(text: str, reason: str) -> None:
    result = read_builder_result(text)

    assert result is not None
    assert reason in unfinished_reason(result)


@pytest.mark.parametrize("text", FINISHED.values(), ids=FINISHED.keys())
def test_a_report_of_success_is_read_as_such(text: str) -> None:
    result = read_builder_result(text)

    assert result is not None
    assert unfinished_reason(result) == ""


@pytest.mark.parametrize(
    "text",
    [
        "done, and nothing else",
        '{"status": "pending", "id": 1}',
        '{"tokens": 3}',
        json.dumps({"status": STATUS_CHOICES}),
    ],
)
def test_a_builder_may_end_without_a_report(text: str) -> None:
    assert read_builder_result(text) is None


def test_a_report_of_odd_types_is_coerced() -> None:
    text = json.dumps(
        {
            "status": "completed",
            "files_created": "a.py",
            "files_modified": ["b.py", None, 3],
            "tests_written": "maybe",
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


def test_questions_are_read_with_their_options_and_placeholders_ask_nothing() -> None:
    questions = [
        {"text": "Which port?", "options": ["80", 8080]},
        {"question": "Which name?"},
        "Which host?",
        "none",
        {"options": ["a"]},
        None,
    ]

    report = read_builder_result(json.dumps({"status": "blocked", "questions": questions}))

    assert report is not None
    assert report.questions == (
        Question("Which port?", ("80", "8080")),
        Question("Which name?"),
        Question("Which host?"),
    )


def test_a_builder_may_ask_ten_questions_and_no_more() -> None:
    report = read_builder_result(json.dumps({"status": "blocked", "questions": [f"q{n}" for n in range(30)]}))

    assert report is not None
    assert len(report.questions) == 10
