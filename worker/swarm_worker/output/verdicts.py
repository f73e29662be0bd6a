"""The verdict of a validator.

Invariant: a verdict counts only if it is beyond doubt. It is a JSON object whose "verdict" is exactly PASS or FAIL.
It is the last JSON of the reply and starts on a line of its own, bare or in a code fence. Nothing follows it but
references to files. No other verdict in the reply differs, and a PASS has no critical issue. Any other reply has no
verdict, and the reader says why.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from amplifier_swarm.text import one_line
from swarm_worker.domain.model import Finding, Verdict
from swarm_worker.domain.reply_rules import VERDICT_CHOICES, means_nothing
from swarm_worker.output.contradictions import (
    MAJOR,
    MINOR,
    PASSING,
    contradiction,
    is_resolved,
    severity_word,
)
from swarm_worker.output.json_objects import FoundObject, Json, JsonScan, plain_text, scan
from swarm_worker.output.replies import FINDINGS, list_of, text_of, texts_of

QUOTE_CHARS: Final = 80
_WORDS: Final = ("PASS", "FAIL")
# A verdict outside of readable JSON: a key in malformed JSON, or "Verdict: FAIL" in prose.
_STRAY: Final = re.compile(
    r"[\"']verdict[\"']\s*:(?:\s*[\"'](?P<value>PASS|FAIL)\b)?"
    r"|(?:^|[.!?;:])[ \t>#*_`-]*(?i:(?:(?:the|my|our|so|final|overall)\s+)*verdict\b[*`_ \t]*(?:[:=]|is\b))[*`_\s]*"
    r"(?P<word>PASS|FAIL)\b|^[ \t>#*_`]*(?P<line>FAIL(?:ED)?)[*_`.! \t]*$",
    re.MULTILINE,
)
# The line above a verdict that is only an example.
_EXAMPLE: Final = re.compile(
    r"\b(?:examples?|would (?:be|read|have)|sample|e\.g\.)(?!\w).*:\W*$", re.IGNORECASE
)
_FENCE: Final = re.compile(r"^[ \t]*(?:`{3,}|~{3,})", re.MULTILINE)
_FENCE_END: Final = re.compile(r"`{3,}|~{3,}")
_OPENING: Final = re.compile(r"(?:`{3,}|~{3,})[\w-]*\s*\Z")

# A closing fence, or a rule that Markdown draws.
_DECORATION: Final = re.compile(r"[`~\-=*_.\s]*")
_REFERENCES: Final = re.compile(
    r"(?:sources?|references?|citations?|files?(?: (?:read|checked))?)\s*:", re.IGNORECASE
)
_ISSUE_KEYS: Final = ("issue", "description", "message", "title", "problem", "detail", "summary")
_BULLET: Final = re.compile(r"(?:[-*\u2022]|\d+[.)]|\[\d+\])\s+")
_PATH: Final = re.compile(r"[\w@~+%#=&?-]*(?:[./:\\]+[\w@~+%#=&?-]+)+")


class VerdictReading(NamedTuple):
    """A verdict, or None and the reason why the reply has no verdict that counts."""

    verdict: Verdict | None
    fault: str = ""


class _Refused(Exception):
    """The reply has no verdict that counts; the text says what was found, and where."""


def read_verdict(text: str) -> VerdictReading:
    """Returns the verdict of a validator's reply by the rule at the head of this module."""
    if not text.strip():
        return VerdictReading(None, "the reply is empty")
    result = scan(plain_text(text), strict=False)
    try:
        return VerdictReading(_verdict(result))
    except _Refused as refused:
        return VerdictReading(None, str(refused))


def _verdict(result: JsonScan) -> Verdict:
    if result.gave_up:
        raise _Refused("the reply has too many objects or too much malformed JSON")
    last = result.found[-1] if result.found else None
    word = None if last is None else last.value.get("verdict")
    _refuse_stray(result, word)
    if last is None:
        raise _Refused("the reply has no JSON object")
    if "verdict" not in last.value:
        raise _Refused(
            f'the last JSON object has no "verdict" (at {result.place(last.start)}){_hint(last.value)}'
        )
    if word not in _WORDS:
        raise _Refused(f"`{_shown(word)}` is neither PASS nor FAIL (at {result.place(last.start)})")
    _refuse_contradiction(result, last)
    _refuse_surroundings(result, last)
    return _checked(last.value)


def _refuse_stray(result: JsonScan, word: object) -> None:
    """Refuses a verdict in malformed JSON, and one in prose that differs from the last object's."""
    for match in result.stray(_STRAY):
        failure = result.failure_before(match.start())
        said = match["word"] or match["value"] or ("FAIL" if match["line"] else None)
        is_key = not (match["word"] or match["line"])
        if is_key and match[0].startswith("'"):
            raise _Refused(f"not valid JSON at {result.place(match.start())}: keys need double quotes")
        if is_key and failure is not None:
            raise _Refused(f"not valid JSON at {result.place(failure.position)}: {failure.error}")
        if is_key and word not in _WORDS:
            raise _Refused(f'a "verdict" outside of a JSON object (at {result.place(match.start())})')
        if word in _WORDS and said not in (None, word):
            raise _Refused(f"two verdicts that differ: {said} at {result.place(match.start())}, then {word}")


def _refuse_contradiction(result: JsonScan, last: FoundObject) -> None:
    word = last.value["verdict"]
    for found in result.found[:-1]:
        other = found.value.get("verdict", word)
        if other not in (word, VERDICT_CHOICES):
            place = result.place(found.start)
            raise _Refused(f"two verdicts that differ: {_shown(other)} at {place}, then {word}")
    # A FAIL may stand above criteria that pass; a PASS may not stand above one that fails.
    within = ((found, other) for found in result.found for other in _verdicts_within(found.value))
    for found, other in within if word == "PASS" else ():
        if text_of(other).casefold() not in PASSING:
            place = result.place(found.start)
            raise _Refused(f"two verdicts that differ: {_shown(other)} inside the JSON object at {place}")


def _refuse_surroundings(result: JsonScan, last: FoundObject) -> None:
    if not result.starts_line(last):
        raise _Refused(f"the verdict stands inside other text (at {result.place(last.start)})")
    before = result.text[: last.start]
    opening = _OPENING.search(before)
    above = before[: opening.start() if opening else None].rstrip()
    if _EXAMPLE.search(above.rpartition("\n")[2]):
        raise _Refused(f"the verdict is an example (at {result.place(last.start)})")
    if opening and len(_FENCE.findall(before)) % 2 and not _FENCE_END.search(result.text, last.end):
        raise _Refused("the code fence around the verdict is not closed")
    is_listing = False
    for line in result.text[last.end :].split("\n"):
        if _DECORATION.fullmatch(line):
            continue
        words = line.strip()
        if label := _REFERENCES.match(words):
            words, is_listing = words[label.end() :], True
        elif is_listing and (bullet := _BULLET.match(words)):
            words = words[bullet.end() :]
        else:
            words = ""
        if (not words and label is None) or not all(map(_is_path, words.split())):
            raise _Refused(f"text follows the verdict: {one_line(line, QUOTE_CHARS)!r}")


def _checked(value: Json) -> Verdict:
    """Returns the object as a verdict; refuses a PASS that names critical issues."""
    issues, others = (
        _findings(list_of(value.get("critical_issues"))),
        _findings(list_of(value.get("findings"))),
    )
    if value["verdict"] == "PASS":
        entries = [entry for entry in list_of(value.get("critical_issues")) if not is_resolved(entry)]
        unresolved = _findings(entries)
        others_open = _findings([entry for entry in list_of(value.get("findings")) if not is_resolved(entry)])
        critical = [issue for issue in unresolved if severity_word(issue.severity) not in MINOR]
        critical += [finding for finding in others_open if severity_word(finding.severity) in MAJOR]
        if critical:
            first = one_line(critical[0].issue or critical[0].file, QUOTE_CHARS)
            more = f" and {len(critical) - 1} more" if len(critical) > 1 else ""
            raise _Refused(f"PASS with critical issues: {first!r}{more}")
        if denial := contradiction(value):
            raise _Refused(f"PASS with {one_line(denial, QUOTE_CHARS)}")
    return Verdict(
        passed=value["verdict"] == "PASS",
        confidence=_number_within(value.get("confidence"), 0, 1),
        findings=(issues + others)[:FINDINGS],
        test_quality_score=_number_within(value.get("test_quality_score"), 0, 10),
        recommendations=texts_of(value.get("recommendations")),
        summary=text_of(value.get("summary")),
    )


def _shown(value: object) -> str:
    return one_line(text_of(value), QUOTE_CHARS)


def _hint(value: Json) -> str:
    return ', only one inside it has a "verdict"' if next(_verdicts_within(value), None) is not None else ""


def _verdicts_within(value: object) -> Iterator[object]:
    """Yields every value of a key "verdict" at any depth, whatever its case; works without recursion."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield from (inner for key, inner in item.items() if key.strip().casefold() == "verdict")
            pending += item.values()
        elif isinstance(item, list):
            pending += item


def _is_path(word: str) -> bool:
    return _PATH.fullmatch(word.strip("`'\"()[]<>,;.")) is not None


def _findings(values: Iterable[object]) -> tuple[Finding, ...]:
    """Returns the findings with the ids that the validator repeats; `finding_ids` assigns the others."""
    found = [_finding(value) for value in list(values)[:FINDINGS]]
    return tuple(
        finding
        for finding in found
        if finding.file or not (finding.issue == "" or means_nothing(finding.issue))
    )


def _finding(value: object) -> Finding:
    if not isinstance(value, dict):
        return Finding("", "", text_of(value), "")
    return Finding(
        text_of(value.get("finding_id") or value.get("id")),
        text_of(value.get("file")),
        _issue_of(value),
        text_of(value.get("severity")),
    )


def _issue_of(value: Json) -> str:
    """Returns the text of a finding under whatever key it has; the whole object if no key is known."""
    texts = (text_of(value.get(key)) for key in _ISSUE_KEYS)
    return next(filter(None, texts), "" if not value or value.get("file") else text_of(value))


def _number_within(value: object, low: float, high: float) -> float | None:
    """Returns the value if it is a number within the bounds; None for anything else, NaN included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if low <= value <= high else None
