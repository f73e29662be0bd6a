"""The builder's report, and the coercion of values in replies.

Replies are untrusted text: odd types are coerced where that is harmless. Verdicts are read in `verdicts`.
"""

import json
import re
from collections.abc import Iterable
from typing import Final

from swarm_worker.domain.model import AnswerKind, BuilderResult, FindingAnswer
from swarm_worker.domain.people import Question
from swarm_worker.domain.reply_rules import (
    STATUS_CHOICES,
    is_blocked_status,
    is_completed_status,
    is_report_status,
    means_nothing,
    plain_key,
)
from swarm_worker.output.json_objects import Json, JsonScan, plain_text, scan

FINDINGS: Final = 50
QUESTIONS: Final = 10
ANSWERS: Final = {kind.value: kind for kind in AnswerKind}
REPORT_KEYS: Final = frozenset(
    ("status", "files_created", "files_modified", "tests_written", "tests_passed", "implementation_notes")
) | {"blockers", "answers", "questions"}
_REPORT_KEYS_BY_PLAIN: Final = {plain_key(key): key for key in REPORT_KEYS} | {
    "blocker": "blockers",
    "question": "questions",
}
_WRAPPERS: Final = frozenset(("result", "report", "response", "output", "builderresult", "finalreport"))
_KEY: Final = r"(?i:(?:[\"']|[{{,]\s*){}[\"']?\s*:\s*)"
_STATUS: Final = re.compile(_KEY.format("status") + r"[\"']([^\"'\n]{1,200})[\"']")
_BLOCKERS: Final = re.compile(_KEY.format("blockers?") + r"\[?\s*\"([^\"\n]{1,200})")
_TESTS_PASSED: Final = re.compile(_KEY.format("tests_?passed") + r"\"?([^\"\n,}]{1,200})")
# A report in YAML or Markdown counts only if it denies success.
_STATUS_LINE: Final = re.compile(
    r"^[ \t>#*_-]*status[*_`]*[ \t]*:[*_` \t]*(blocked|partial|needs[_ ]input)[*_`.! \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_NO_TESTS: Final = re.compile(
    r"no tests?(?: (?:needed|required|to run|applicable))?\W*$|not applicable|n/a\b"
)
_COUNTS: Final = re.compile(r"(\d+) ?(?:/|of|out of) ?(\d+)\b")
_TESTS_PASS: Final = re.compile(r"(?:all\b|yes\b|true\b|pass|\d+ (?:tests? )?pass)")
_TESTS_FAIL: Final = re.compile(r"fail|\bnot\b|n't\b|except|\bbut\b|error|partial")
_NO_FAILURES: Final = re.compile(r"\b(?:0|no|zero) (?:fail\w*|errors?)")
_ENDS_LINE: Final = re.compile(r"[ \t.`*]*(?:\n|\Z)")
_BOOLEANS: Final = {"true": True, "yes": True, "false": False, "no": False}


def read_builder_result(text: str) -> BuilderResult | None:
    """Returns the builder's last report; None if the reply has none.

    A report is an object with a known key on a line of its own; objects inside a line count only if there is no
    other. Of a malformed report the status, the blockers and the tests are still read, since they may deny success.
    """
    result = scan(plain_text(text), strict=False)
    report = _last_report(result)
    return _malformed_report(result) if report is None else _builder_result(report)


def _malformed_report(result: JsonScan) -> BuilderResult | None:
    stray = [match[1] for match in result.stray(_STATUS) if match[1] != STATUS_CHOICES]
    stray += [match[1] for match in result.stray(_STATUS_LINE)]
    if not stray:
        return None
    denial = next((status for status in stray if not is_completed_status(status)), None)
    tests = [_tests_passed(match[1].strip()) for match in result.stray(_TESTS_PASSED)]
    return BuilderResult(
        status=(denial or stray[-1]).strip(),
        tests_passed=False if False in tests else None,
        blockers=tuple(match[1].strip() for match in result.stray(_BLOCKERS)),
    )


def _last_report(result: JsonScan) -> Json | None:
    pairs = [(found, report) for found in result.found if (report := _report_of(found.value)) is not None]
    standing = [report for found, report in pairs if result.starts_line(found)]
    # A bare status in the middle of a sentence describes what a program answers.
    standing = standing or [
        report
        for found, report in pairs
        if len(REPORT_KEYS & report.keys()) > 1 or _ENDS_LINE.match(result.text, found.end)
    ]
    # A bare status may be a progress line or a wrapper's; a report with more keys is the one that was asked for.
    full = [report for report in standing if len(REPORT_KEYS & report.keys()) > 1] or standing
    if standing and is_blocked_status(text_of(standing[-1].get("status"))):
        return standing[-1]
    return full[-1] if full else None


def _report_of(value: Json) -> Json | None:
    """Returns the report that an object is or wraps, with the keys as the prompt spells them."""
    report = _with_known_keys(value)
    if not REPORT_KEYS & report.keys() - {"status"}:
        wrapped = [
            item for key, item in value.items() if plain_key(key) in _WRAPPERS and isinstance(item, dict)
        ]
        inner = next((item for item in map(_with_known_keys, wrapped) if REPORT_KEYS & item.keys()), None)
        report = report if inner is None else inner
    if not REPORT_KEYS & report.keys() or report.get("status") == STATUS_CHOICES:
        return None
    status = text_of(report.get("status"))
    # {"status": "pending", "id": 1} is the answer of some program.
    is_foreign = (
        REPORT_KEYS & report.keys() == {"status"} and len(report) > 1 and not is_report_status(status)
    )
    return None if is_foreign else report


def _with_known_keys(value: Json) -> Json:
    """Returns the object with the prompt's keys; of two spellings of a key the one that denies success counts."""
    known: dict[str, object] = {}
    for key, item in value.items():
        name = _REPORT_KEYS_BY_PLAIN.get(plain_key(key), key)
        if name == "blockers" and name in known:
            known[name] = [*list_of(known[name]), *list_of(item)]
        elif name != "status" or is_completed_status(text_of(known.get(name))):
            known[name] = item
    return known


def _builder_result(report: Json) -> BuilderResult:
    tests_written = _bool_or_none(report.get("tests_written"))
    tests_passed = _tests_passed(report.get("tests_passed"))
    if tests_written is False and report.get("tests_passed") is False:
        tests_passed = None  # no tests were needed
    return BuilderResult(
        status=text_of(report.get("status")),
        files_created=texts_of(report.get("files_created")),
        files_modified=texts_of(report.get("files_modified")),
        tests_written=tests_written,
        tests_passed=tests_passed,
        implementation_notes=text_of(report.get("implementation_notes")),
        blockers=texts_of(report.get("blockers")),
        answers=_answers(list_of(report.get("answers"))),
        questions=_questions(list_of(report.get("questions"))),
    )


def _answers(values: Iterable[object]) -> tuple[FindingAnswer, ...]:
    """Returns the builder's answers to findings; entries without a finding's id are ignored."""
    entries = [value for value in list(values)[:FINDINGS] if isinstance(value, dict)]
    answers = (
        FindingAnswer(
            text_of(value.get("finding_id")),
            ANSWERS.get(text_of(value.get("kind")).lower(), AnswerKind.UNSPECIFIED),
            text_of(value.get("why")),
        )
        for value in entries
    )
    return tuple(answer for answer in answers if answer.finding_id)


def _questions(values: Iterable[object]) -> tuple[Question, ...]:
    """Returns what the builder asks: texts, or objects with a text and options. Placeholders ask nothing."""
    asked = []
    for value in list(values)[:QUESTIONS]:
        entry = value if isinstance(value, dict) else {"text": value}
        text = text_of(entry.get("text") or entry.get("question"))
        if not means_nothing(text):
            asked.append(Question(text, texts_of(entry.get("options"))))
    return tuple(asked)


def list_of(value: object) -> list[object]:
    """Returns a list as it is, None as an empty list and any other value as a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def texts_of(value: object) -> tuple[str, ...]:
    """Returns the non-empty texts of a list or of a single value."""
    return tuple(text for item in list_of(value) if (text := text_of(item)))


def text_of(value: object) -> str:
    """Returns a string stripped, None as an empty string and any other value as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deeply)"


def _bool_or_none(value: object) -> bool | None:
    if isinstance(value, str):
        return _BOOLEANS.get(value.strip().casefold())
    return value if isinstance(value, bool) else None


def _tests_passed(value: object) -> bool | None:
    """Returns False for a text that is not understood, since it may deny success."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return None if value else False
    text = text_of(value).casefold()
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if (means_nothing(text) and text != "0") or _NO_TESTS.match(text):
        return None
    if counts := _COUNTS.match(text):
        return counts[1] == counts[2]
    return _TESTS_PASS.match(text) is not None and _TESTS_FAIL.search(_NO_FAILURES.sub("", text)) is None
