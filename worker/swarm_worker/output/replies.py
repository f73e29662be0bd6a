"""Reads the JSON that a builder or a validator ends with. Its one rule: what can't be read is no approval.

All of it is a model's or a stranger's text: odd types are coerced where they do no harm, and the verdict
itself, which may do harm, is taken only word for word.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from swarm_worker.domain.model import AnswerKind, BuilderResult, Finding, FindingAnswer, Verdict

FINDINGS: Final = 50
# Decoding may cost this many times the text before it is given up: garbage can make it quadratic.
EFFORT: Final = 8
ANSWERS: Final = {kind.value: kind for kind in AnswerKind}
_DECODER: Final = json.JSONDecoder()

Json = Mapping[str, Any]


def read_verdict(text: str) -> Verdict | None:
    """What the validator decided; None unless the last object says exactly PASS or FAIL."""
    found = last_object(text)
    if found is None or found.get("verdict") not in ("PASS", "FAIL"):
        return None
    return Verdict(
        passed=found["verdict"] == "PASS",
        confidence=_between(found.get("confidence"), 0, 1),
        findings=_findings([*_list(found.get("critical_issues")), *_list(found.get("findings"))]),
        test_quality_score=_between(found.get("test_quality_score"), 0, 10),
        recommendations=_texts(found.get("recommendations")),
        summary=_text(found.get("summary")),
    )


def read_builder_result(text: str) -> BuilderResult | None:
    """What the builder says of its work; None if it ends with no object."""
    found = last_object(text)
    if found is None:
        return None
    return BuilderResult(
        status=_text(found.get("status")),
        files_created=_texts(found.get("files_created")),
        files_modified=_texts(found.get("files_modified")),
        tests_written=_truth(found.get("tests_written")),
        tests_passed=_truth(found.get("tests_passed")),
        implementation_notes=_text(found.get("implementation_notes")),
        blockers=_texts(found.get("blockers")),
        answers=_answers(_list(found.get("answers"))),
    )


def last_object(text: str) -> Json | None:
    """The last JSON object of a text that may hold anything else around it.

    An object that stands inside something broken is not taken for the whole: it could say the opposite.
    """
    found = objects(text)
    return found[-1] if found else None


def objects(text: str) -> list[Json]:
    """Every JSON object that stands by itself in the text; none where the last one can't be trusted."""
    found: list[Json] = []
    start, end, effort = text.find("{"), 0, EFFORT * len(text)
    while start >= 0:
        value, stop, cost = _decoded(text, start)
        effort -= cost
        if effort < 0:
            return []
        if isinstance(value, dict):
            found.append(value)
            end = stop
        start = text.find("{", stop)
    return [] if text[end:].lstrip()[:1] in (",", "]", "}", '"') else found


def _decoded(text: str, start: int) -> tuple[object, int, int]:
    """The value that starts there or None, where to go on, and what it cost in characters."""
    try:
        value, stop = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        return None, start + 1, error.pos - start + 1
    except (RecursionError, ValueError):  # nested beyond reason, or a number of thousands of digits
        return None, start + 1, len(text)
    return value, stop, stop - start


def _answers(values: Iterable[object]) -> tuple[FindingAnswer, ...]:
    """What it says about the findings it was given; what names none says nothing."""
    told = [value for value in list(values)[:FINDINGS] if isinstance(value, dict)]
    answers = (
        FindingAnswer(
            _text(value.get("finding_id")),
            ANSWERS.get(_text(value.get("kind")).lower(), AnswerKind.UNSPECIFIED),
            _text(value.get("why")),
        )
        for value in told
    )
    return tuple(answer for answer in answers if answer.finding_id)


def _findings(values: Iterable[object]) -> tuple[Finding, ...]:
    """The findings, each with the id that it was given, if any; see `findings`."""
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
        return "(nested beyond reason)"


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _between(value: object, low: float, high: float) -> float | None:
    """A number within bounds; anything else, NaN included, is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if low <= value <= high else None
