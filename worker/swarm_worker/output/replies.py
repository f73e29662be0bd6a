"""The final JSON of a builder or validator.

Invariant: a reply that can't be read never counts as approval. Replies are untrusted text: odd types are coerced
where that is harmless, but the verdict itself must be exactly PASS or FAIL.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from swarm_worker.domain.model import AnswerKind, BuilderResult, Finding, FindingAnswer, Verdict

FINDINGS: Final = 50
# Decoding stops after this many times the length of the text: malformed text can make it quadratic.
DECODE_BUDGET_FACTOR: Final = 8
ANSWERS: Final = {kind.value: kind for kind in AnswerKind}
_DECODER: Final = json.JSONDecoder()

Json = Mapping[str, Any]


def read_verdict(text: str) -> Verdict | None:
    """Returns the validator's verdict; None unless the last object says exactly PASS or FAIL."""
    found = last_object(text)
    if found is None or found.get("verdict") not in ("PASS", "FAIL"):
        return None
    return Verdict(
        passed=found["verdict"] == "PASS",
        confidence=_number_within(found.get("confidence"), 0, 1),
        findings=_findings([*_list(found.get("critical_issues")), *_list(found.get("findings"))]),
        test_quality_score=_number_within(found.get("test_quality_score"), 0, 10),
        recommendations=_texts(found.get("recommendations")),
        summary=_text(found.get("summary")),
    )


def read_builder_result(text: str) -> BuilderResult | None:
    """Returns the builder's report on its work; None if the reply does not end with an object."""
    found = last_object(text)
    if found is None:
        return None
    return BuilderResult(
        status=_text(found.get("status")),
        files_created=_texts(found.get("files_created")),
        files_modified=_texts(found.get("files_modified")),
        tests_written=_bool_or_none(found.get("tests_written")),
        tests_passed=_bool_or_none(found.get("tests_passed")),
        implementation_notes=_text(found.get("implementation_notes")),
        blockers=_texts(found.get("blockers")),
        answers=_answers(_list(found.get("answers"))),
    )


def last_object(text: str) -> Json | None:
    """Returns the last JSON object of a text that may contain anything else.

    An object inside malformed JSON is ignored, since it may say the opposite of the whole.
    """
    found = objects(text)
    return found[-1] if found else None


def objects(text: str) -> list[Json]:
    """Returns every top-level JSON object in the text; an empty list if the last object is doubtful."""
    found: list[Json] = []
    start, end, effort = text.find("{"), 0, DECODE_BUDGET_FACTOR * len(text)
    while start >= 0:
        value, stop, cost = _decode_at(text, start)
        effort -= cost
        if effort < 0:
            return []
        if isinstance(value, dict):
            found.append(value)
            end = stop
        start = text.find("{", stop)
    return [] if text[end:].lstrip()[:1] in (",", "]", "}", '"') else found


def _decode_at(text: str, start: int) -> tuple[object, int, int]:
    """Returns the value that starts there or None, where to continue, and the cost in characters."""
    try:
        value, stop = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        return None, start + 1, error.pos - start + 1
    except (RecursionError, ValueError):  # nested too deeply, or a number of thousands of digits
        return None, start + 1, len(text)
    return value, stop, stop - start


def _answers(values: Iterable[object]) -> tuple[FindingAnswer, ...]:
    """Returns the builder's answers to findings; entries without a finding's id are ignored."""
    entries = [value for value in list(values)[:FINDINGS] if isinstance(value, dict)]
    answers = (
        FindingAnswer(
            _text(value.get("finding_id")),
            ANSWERS.get(_text(value.get("kind")).lower(), AnswerKind.UNSPECIFIED),
            _text(value.get("why")),
        )
        for value in entries
    )
    return tuple(answer for answer in answers if answer.finding_id)


def _findings(values: Iterable[object]) -> tuple[Finding, ...]:
    """Returns the findings with the ids that the validator repeats; `finding_ids` assigns the others."""
    found = [_finding(value) for value in list(values)[:FINDINGS]]
    return tuple(finding for finding in found if finding.issue or finding.file)


def _finding(value: object) -> Finding:
    if not isinstance(value, dict):
        return Finding("", "", _text(value), "")
    return Finding(
        _text(value.get("finding_id") or value.get("id")),
        _text(value.get("file")),
        _text(value.get("issue")),
        _text(value.get("severity")),
    )


def _list(value: object) -> list[object]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text for item in _list(value) if (text := _text(item)))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deeply)"


def _bool_or_none(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _number_within(value: object, low: float, high: float) -> float | None:
    """Returns the value if it is a number within the bounds; None for anything else, NaN included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if low <= value <= high else None
