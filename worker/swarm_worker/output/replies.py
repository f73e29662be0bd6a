"""The builder's report, and the coercion of values in replies.

Replies are untrusted text: odd types are coerced where that is harmless. Verdicts are read in `verdicts`.
"""

import json
import re
from collections.abc import Iterable
from typing import Final

from swarm_worker.domain.model import AnswerKind, BuilderResult, FindingAnswer
from swarm_worker.domain.reply_rules import STATUS_CHOICES, is_completed_status
from swarm_worker.output.json_objects import Json, JsonScan, plain_text, scan

FINDINGS: Final = 50
ANSWERS: Final = {kind.value: kind for kind in AnswerKind}
REPORT_KEYS: Final = frozenset(
    ("status", "files_created", "files_modified", "tests_written", "tests_passed", "implementation_notes")
) | {"blockers", "answers"}
_STATUS: Final = re.compile(r"[\"']status[\"']\s*:\s*[\"']([^\"'\n]{1,200})[\"']")
_BOOLEANS: Final = {"true": True, "yes": True, "false": False, "no": False}


def read_builder_result(text: str) -> BuilderResult | None:
    """Returns the builder's last report; None if the reply has none.

    A report is an object with a known key on a line of its own; objects inside a line count only if there is no
    other. Of a malformed report the status is still read, since it may deny success.
    """
    result = scan(plain_text(text), strict=False)
    report = _last_report(result)
    if report is not None:
        return _builder_result(report)
    stray = [match[1] for match in result.stray(_STATUS) if match[1] != STATUS_CHOICES]
    denial = next((status for status in stray if not is_completed_status(status)), None)
    return BuilderResult(status=(denial or stray[-1]).strip()) if stray else None


def _last_report(result: JsonScan) -> Json | None:
    reports = [found for found in result.found if _is_report(found.value)]
    standing = [found for found in reports if result.starts_line(found)] or reports
    # A bare status may be a progress line or a wrapper's; a report with more keys is the one that was asked for.
    full = [found for found in standing if len(REPORT_KEYS & found.value.keys()) > 1] or standing
    return full[-1].value if full else None


def _is_report(value: Json) -> bool:
    return bool(REPORT_KEYS & value.keys()) and value.get("status") != STATUS_CHOICES


def _builder_result(report: Json) -> BuilderResult:
    return BuilderResult(
        status=text_of(report.get("status")),
        files_created=texts_of(report.get("files_created")),
        files_modified=texts_of(report.get("files_modified")),
        tests_written=_bool_or_none(report.get("tests_written")),
        tests_passed=_bool_or_none(report.get("tests_passed")),
        implementation_notes=text_of(report.get("implementation_notes")),
        blockers=texts_of(report.get("blockers")),
        answers=_answers(list_of(report.get("answers"))),
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
