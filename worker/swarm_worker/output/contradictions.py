"""Values beside a verdict PASS that deny it.

Invariant: a false, failed or critical value under a known key denies a PASS, whatever the spelling of the key and
however deep it stands. Entries that are marked as resolved deny nothing.
"""

import re
from collections.abc import Iterator
from typing import Final

from swarm_worker.domain.reply_rules import means_nothing, plain_key
from swarm_worker.output.json_objects import Json

MINOR: Final = frozenset(("minor", "low", "info", "trivial", "nit"))
MAJOR: Final = frozenset(
    (
        "critical",
        "blocker",
        "blocking",
        "high",
        "major",
        "severe",
        "fatal",
        "error",
        "p0",
        "p1",
        "sev0",
        "sev1",
    )
)
PASSING: Final = frozenset(("pass", "passed", "met", "ok", "yes", "satisfied", "true", "n/a", "pass | fail"))
_OUTCOME: Final = re.compile(
    r"(?:overall|final)?(?:verdict|status|result|outcome|conclusion|decision)|overall"
)
_DENIAL: Final = re.compile(
    r"\W*(?:(?:fail\w*|blocked|false|unmet|incomplete|not[\s_-](?:met|passed|passing|ok|satisfied|done|approved))\b"
    r"(?!.*\bas (?:expected|intended))|(?:reject\w*|errors?|partial\w*)\W*$)",
    re.IGNORECASE,
)
_TRUTH: Final = re.compile(r"\w*(?:passed|approved|success|successful|met|satisfied)|ok|pass")
_ISSUES: Final = frozenset(
    ("criticalissues", "criticalissue", "criticalfindings", "blockers", "blocker", "blockingissues")
)
_RESOLVED: Final = frozenset(("resolved", "fixed", "closed"))


def contradiction(value: Json) -> str:
    """Returns the first value that denies a PASS, as "key value"; empty if there is none."""
    return next((f"{key!r} {text}" for key, text in _contradictions(value)), "")


def severity_word(severity: str) -> str:
    """Returns the first word of a severity in lower case."""
    word = re.search(r"[^\W_]+", severity)
    return word[0].casefold() if word else ""


def is_resolved(entry: object) -> bool:
    """Returns True for an entry that its writer marks as resolved."""
    if not isinstance(entry, dict):
        return False
    values = {plain_key(key): value for key, value in entry.items()}
    return values.get("resolved") is True or str(values.get("status")).strip().casefold() in _RESOLVED


def _contradictions(value: Json) -> Iterator[tuple[str, str]]:
    pending: list[object] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending += item
        elif isinstance(item, dict) and not is_resolved(item):
            pending += item.values()
            yield from (
                (key, str(inner)) for key, inner in item.items() if _denies(plain_key(key), inner, item)
            )


def _denies(key: str, value: object, entry: Json) -> bool:
    if key in _ISSUES:
        return any(_is_issue(item) for item in (value if isinstance(value, list) else [value]))
    if _TRUTH.fullmatch(key):
        return value is False or (
            isinstance(value, str) and (_is_no(value) or _DENIAL.match(value) is not None)
        )
    if not isinstance(value, str):
        return value is False and _OUTCOME.fullmatch(key) is not None
    if key == "verdict":
        return value.strip().casefold() not in PASSING
    if key == "severity":
        return severity_word(value) in MAJOR and _is_issue(entry)
    return _OUTCOME.fullmatch(key) is not None and _DENIAL.match(value) is not None


def _is_issue(item: object) -> bool:
    """Returns True for an entry of a list of issues that says more than "none"."""
    if not isinstance(item, dict):
        return item is not None and not means_nothing(str(item))
    if not item or is_resolved(item):
        return False
    severity = next(
        (severity_word(str(text)) for key, text in item.items() if plain_key(key) == "severity"), ""
    )
    if severity in MINOR:
        return False
    texts = [str(text) for key, text in item.items() if plain_key(key) not in ("severity", "id") and text]
    return any(not means_nothing(text) for text in texts) or (not texts and severity in MAJOR)


def _is_no(text: str) -> bool:
    return re.match(r"\W*no(?:[,;:]|\W*$)", text, re.IGNORECASE) is not None
