"""The words with which agents report a provider's usage limit, and the time until the limit resets.

Invariant: only phrases that agents are known to print count. A task about rate limits must not look like a limit, so
callers pass the last lines of the output alone.
"""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from amplifier_swarm.text import one_line
from swarm_worker.runners.limit_lines import is_assertion, is_message

# The exit code with which a program says that its provider asks to wait: EX_TEMPFAIL of sysexits.h.
LIMITED_EXIT: Final = 75
# The longest wait. A limit may be lifted before it resets, for example when its owner pays for more.
MAX_LIMIT_S: Final = 6 * 3600.0
# Clocks differ, and a limit that has just reset can still refuse.
SLACK_S: Final = 60.0
# A reset that is this little in the past belongs to the limit, not to the next day.
JUST_PASSED: Final = timedelta(minutes=10)
LINE_CHARS: Final = 300
LIMITED_METHOD: Final = "provider/limited"
# A larger number is not a wait in seconds.
MAX_REPORTED_S: Final = 1e9

# From public reports of Claude Code, Codex, Gemini CLI, Copilot, Cursor, Aider, and of the providers' APIs.
_LIMITED: Final = (
    r"you(?:['’]?ve| have)? (?:hit|reached|exceeded) (?:your|the) (?:[\w-]+ ){0,3}(?:limit|quota|allowance)s?\b",
    (
        r"\b(?:usage|session|weekly|daily|monthly|hourly|\d+-hour|opus|sonnet|plan|message|request|token)s? limits? "
        r"(?:was |has been )?(?:reached|exceeded|hit)\b"
    ),
    r"\blimit (?:reached|will reset)\b",
    r"\brate[ _-]?limit(?:[ _-]?error|s? (?:was |has been )?(?:reached|exceeded|hit))",
    r"\bexceed(?:ed|s)?\b.{0,60}\brate limit\b",
    r"\brate[ -]limited\b",
    r"\btoo many requests\b",
    r"\b(?:status|error|code|http)\b\D{0,12}\b429\b",
    r"\brequest rejected \(429\)",
    r"\bresource(?:[ _]?| has been | was | is )exhausted\b",
    r"\byou(?:['’]?re| are) out of (?:[\w-]+ ){0,2}(?:usage|quota|tokens|requests|messages)\b",
    (
        r"\byou(?:['’]?ve| have)? used (?:up|all)(?: of)? your (?:[\w-]+ ){0,3}"
        r"(?:usage|quota|requests|messages|tokens|allowance|limit)\b"
    ),
    r"\bThrottlingException\b|\btoo many tokens, please wait\b",
    r"\bmodel is (?:currently |temporarily )?at capacity\b",
    r"\b(?:spend(?:ing)? cap|max usage) (?:was |has been )?(?:reached|exceeded|hit)\b",
    r"\boverloaded_error\b|\b529\b.{0,20}\boverloaded\b",
    r"\b(?:model|server|provider|api|service) is (?:currently |temporarily )?overloaded\b",
    r"\bquota (?:was |has been )?(?:exceeded|exhausted|will reset)\b",
    r"\bexhausted your (?:[\w-]+ ){0,3}(?:quota|capacity|limit|credits)\b",
    r"\bretry-after(?:-ms)?:\s*(?:\d[\d.]*|[a-z]{3}, \d.{1,16} [\d:]{8} gmt)",
)
# These do not pass by themselves, unless the same line names a time.
_DENIED: Final = {
    r"\binsufficient_quota\b|\bcheck your plan and billing\b|\bcredit balance is too low\b"
    r"|\b(?:run|are|['’]re) out of credits\b|\binsufficient credits\b|\b402 payment required\b": (
        "raise the provider's quota, or pay for more"
    ),
    r"\bplease run /login\b|\bincorrect api key provided\b|\binvalid api key\b|\boauth token has expired\b": (
        "log the agent in, or pass a valid key with --pass-env NAME"
    ),
}
_ANY_LIMITED: Final = re.compile("|".join(_LIMITED), re.IGNORECASE)
_ANY_DENIED: Final = tuple((re.compile(words, re.IGNORECASE), remedy) for words, remedy in _DENIED.items())
_ANY: Final = re.compile("|".join([*_LIMITED, *_DENIED]), re.IGNORECASE)

_UNIT: Final = r"(months?|weeks?|w|days?|d|hours?|hrs?|h|minutes?|mins?|ms|m|seconds?|secs?|s)"
_SPAN: Final = re.compile(rf"(\d+(?:\.\d+)?)\s*{_UNIT}(?![a-z])", re.IGNORECASE)
_SPANS: Final = re.compile(
    rf"(?:\b(?:in|after|for)|delay)\b\W{{0,4}}((?:\d+(?:\.\d+)?\s*{_UNIT}(?![a-z])[\s,]*(?:and\s+)?)+)",
    re.IGNORECASE,
)
_BARE: Final = re.compile(
    r"\b(?:retry|try)[\s_-]*(?:again[\s_-]*)?(?:after|in)([_-]ms)?\W{0,4}(\d+(?:\.\d+)?)\b(?!\.\d|[ \t]*[a-z])",
    re.IGNORECASE,
)
_EPOCH: Final = re.compile(r"(?<!\d)(1[6-9]\d{8}|2\d{9})(?!\d)")
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_HTTP_DATE: Final = re.compile(r"[A-Z][a-z]{2}, \d\d? [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
_CLOCK: Final = re.compile(
    r"(?:resets?|again|until|renews?)\b(?: at| on)?\s+"
    r"(?:(?P<month>[A-Z][a-z]{2,8})\.? (?P<day>\d{1,2})(?:st|nd|rd|th)?,?(?: (?P<year>\d{4}),?)?(?: at)?\s+)?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s*(?P<half>[ap]\.?m\b\.?)?"
    r"(?:\s*\((?P<zone>[\w/+-]+)\)|\s+(?P<bare_zone>[a-z]+/[\w/+-]+|(?-i:[A-Z]{2,4})\b))?",
    re.IGNORECASE,
)
_SECONDS: Final = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
# Hours from UTC of zones that have no entry of that name in the machine's list.
_OFFSETS: Final = {"PST": -8, "PDT": -7, "MDT": -6, "CST": -6, "CDT": -5, "EDT": -4, "BST": 1, "CEST": 2}
_ZONES: Final = {
    "PT": "America/Los_Angeles",
    "MT": "America/Denver",
    "CT": "America/Chicago",
    "ET": "America/New_York",
}
# A date without a year that is longer ago belongs to the next year.
HALF_YEAR: Final = timedelta(days=182)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class UsageLimit(NamedTuple):
    """A provider's refusal: the agent's line, the wait in seconds if it is known, and a remedy if waiting is none."""

    line: str
    wait_s: float | None = None
    remedy: str = ""


def find_limit(lines: Sequence[str], *, now: datetime) -> UsageLimit | None:
    """Returns the limit that the lines report, the last one first; `now` has a time zone."""
    for text in reversed(lines):
        line = one_line(text, LINE_CHARS)
        denied = next((remedy for words, remedy in _ANY_DENIED if words.search(text)), "")
        if is_assertion(text) or not (denied or _ANY_LIMITED.search(text)):
            continue
        wait_s = wait_of("\n".join(lines), now=now)
        return (
            UsageLimit(line, wait_s) if not denied or wait_s is not None else UsageLimit(line, None, denied)
        )
    return None


def is_limit_message(line: str) -> bool:
    """Returns whether the whole line is a provider's message of a limit, rather than a text about limits."""
    return is_message(line, _ANY)


def reported_limit(line: str) -> UsageLimit | None:
    """Reads the event with which a script reports a limit itself; None if the line is not that event.

    The event is `{"method": "provider/limited", "params": {"message": "…", "retryAfterSeconds": 600}}`.
    """
    if LIMITED_METHOD not in line:
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or event.get("method") != LIMITED_METHOD:
        return None
    params = event.get("params")
    params = params if isinstance(params, dict) else {}
    seconds: Any = params.get("retryAfterSeconds")
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    wait_s = min(MAX_LIMIT_S, float(seconds)) if is_number and 0 <= seconds < MAX_REPORTED_S else None
    message = one_line(str(params.get("message") or "the agent reports a limit"), LINE_CHARS)
    return UsageLimit(message, wait_s)


def wait_of(text: str, *, now: datetime) -> float | None:
    """Returns the seconds to wait that a text names, at most MAX_LIMIT_S; None if it names none."""
    readers: Sequence[Callable[[str, datetime], float | None]] = (
        _span_s,
        _http_date_s,
        _bare_s,
        _epoch_s,
        _iso_s,
        _clock_s,
    )
    found = next((wait_s for read in readers if (wait_s := read(text, now)) is not None), None)
    return None if found is None else min(MAX_LIMIT_S, max(0.0, found))


def _span_s(text: str, _now: datetime) -> float | None:
    """Reads `in 3 days 4 hours`, `after 5h12m3s`, `retryDelay: 34s`."""
    found = _SPANS.search(text)
    if found is None:
        return None
    return sum(float(count) * _unit_s(unit.lower()) for count, unit in _SPAN.findall(found[1]))


def _unit_s(unit: str) -> float:
    if unit.startswith("mo"):
        return 30 * _SECONDS["d"]
    return 0.001 if unit == "ms" else _SECONDS[unit[0]]


def _http_date_s(text: str, now: datetime) -> float | None:
    """Reads `Retry-After: Mon, 30 Nov 2026 13:00:00 GMT`."""
    found = _HTTP_DATE.search(text)
    try:
        return None if found is None else _until_s(parsedate_to_datetime(found[0]).timestamp(), now)
    except ValueError:
        return None


def _bare_s(text: str, _now: datetime) -> float | None:
    """Reads `Retry-After: 30`, `retry-after-ms: 1500`."""
    found = _BARE.search(text)
    return None if found is None else float(found[2]) * (0.001 if found[1] else 1.0)


def _epoch_s(text: str, now: datetime) -> float | None:
    """Reads `limit reached|1749924000`."""
    found = _EPOCH.search(text)
    return None if found is None else _until_s(float(found[1]), now)


def _iso_s(text: str, now: datetime) -> float | None:
    """Reads `2026-11-30T03:00:00Z`; without an offset, the time is UTC."""
    found = _ISO.search(text)
    if found is None:
        return None
    try:
        at = datetime.fromisoformat(found[0])
    except ValueError:
        return None
    return _until_s((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp(), now)


def _clock_s(text: str, now: datetime) -> float | None:
    """Reads `resets 3am (America/Mexico_City)`, `try again at 3:05 PM`, `resets Oct 9, 5pm`."""
    found = _CLOCK.search(text)
    if found is None or not (found["half"] or found["minute"]):
        return None
    here = now.astimezone(_zone(found["zone"] or found["bare_zone"], now))
    hour = (
        int(found["hour"]) % 12 + (12 if found["half"][0] in "pP" else 0)
        if found["half"]
        else int(found["hour"])
    )
    month = (found["month"] or "")[:3].lower()
    if hour > 23 or int(found["minute"] or 0) > 59 or (month and month not in _MONTHS):
        return None
    at = here.replace(hour=hour, minute=int(found["minute"] or 0), second=0, microsecond=0)
    try:
        if month:
            at = at.replace(
                year=int(found["year"] or here.year), month=_MONTHS.index(month) + 1, day=int(found["day"])
            )
        if month and not found["year"] and at < here - HALF_YEAR:
            at = at.replace(year=at.year + 1)
    except ValueError:  # such as Feb 30
        return None
    if at < here - JUST_PASSED and not month:
        at += timedelta(days=1)
    return _until_s(at.timestamp(), now)


def _until_s(epoch_s: float, now: datetime) -> float:
    """Returns the wait until a point in time, with room for clocks that differ; at least that room."""
    return max(0.0, epoch_s - now.timestamp()) + SLACK_S


def _zone(name: str | None, now: datetime) -> tzinfo | None:
    """Returns the named time zone; the machine's own if the name is missing or unknown."""
    if name is None:
        return None if now.tzinfo is None else now.astimezone().tzinfo
    if (hours := _OFFSETS.get(name)) is not None:
        return timezone(timedelta(hours=hours))
    try:
        return ZoneInfo(_ZONES.get(name, name))
    except (ValueError, OSError, KeyError):
        return now.astimezone().tzinfo
