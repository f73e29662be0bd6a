"""The time until a usage limit resets, as agents and providers write it: spans, clock times, dates, epoch seconds."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from typing import Final
from zoneinfo import ZoneInfo

# The longest wait. A limit may be lifted before it resets, for example when its owner pays for more.
MAX_LIMIT_S: Final = 6 * 3600.0
# Clocks differ, and a limit that has just reset can still refuse.
SLACK_S: Final = 60.0
# A reset that is this little in the past belongs to the limit, not to the next day.
JUST_PASSED: Final = timedelta(minutes=10)
# A date without a year that is longer ago belongs to the next year.
HALF_YEAR: Final = timedelta(days=182)

# The seconds of a unit, with its words in the languages of `limit_words`; longer words stand first.
_UNITS: Final = (
    (30 * 86_400.0, r"months?|monate?n?|mois|meses|m[êe]s|mesi|maand(?:en)?|месяц\w*|个月|個月|か月|개월"),
    (604_800.0, r"weeks?|w(?![a-z])|wochen?|semaines?|semanas?|settiman[ae]|weken|недел\w*|周|週間?|주"),
    (
        86_400.0,
        r"days?|tagen?|tag|jours?|d[íi]as?|giorn[oi]|dag(?:en|ar|e)?|дн\w+|день|天|日間?|일|d(?![a-z])",
    ),
    (
        3_600.0,
        (
            r"hours?|hrs?|stunden?|std\.?|heures?|horas?|or[ae](?![a-z])|u(?:ur|ren)|timmar|timer?|godzin\w*|час\w*|saat|"
            r"小时|小時|時間|시간|h(?![a-z])"
        ),
    ),
    (
        0.001,
        r"milliseconds?|millis|ms(?![a-z])",
    ),
    (
        60.0,
        r"minut(?:es?|en|os?|i|y|er)?(?![a-zà-ÿ])|mins?\b|минут\w*|dakika|分钟|分鐘|分(?!之)|분|m(?![a-zà-ÿ])",
    ),
    (
        1.0,
        r"seconds?|secs?|sekunden?|secondes?|segundos?|second[oi]|seconden|sekund\w*|секунд\w*|saniye|秒钟?|초|s(?![a-z])",
    ),
)
_UNIT: Final = "(?:" + "|".join(words for _, words in _UNITS) + ")"
_SPAN: Final = re.compile(rf"(\d+(?:\.\d+)?)\s*({_UNIT})", re.IGNORECASE)
_MANY: Final = rf"(?:\d+(?:\.\d+)?\s*{_UNIT}(?![a-z])[\s,]*(?:(?:and|und|et|y|e|en|och|og|i|и)\s+)?)+"
_SPANS: Final = (
    re.compile(
        r"(?:delay|(?<![a-z])(?:in|after|wait(?:ing)?(?: for)?|dans|en|em|dentro de|tra|fra|over|za|через|om|"
        rf"sau|dalam)\b|reset[\w-]*)(?:\W|\baround\b|\babout\b){{0,5}}({_MANY})",
        re.IGNORECASE,
    ),
    re.compile(rf"({_MANY})\s*(?:后|後|以内|이내|후|뒤|later|sonra|içinde)", re.IGNORECASE),
)
_BARE: Final = re.compile(
    r"\b(?:retry|try|resets?)[\s_-]*(?:again[\s_-]*)?(?:after|in)(?:[\s_-]*(ms|seconds|secs))?\W{0,4}"
    r"(\d+(?:\.\d+)?)\b(?!\.\d|[ \t]*[a-z])",
    re.IGNORECASE,
)
# Seconds, or milliseconds with three more digits.
_EPOCH: Final = re.compile(r"(?<![\w.-])(1[6-9]\d{8}|2\d{9})(\d{3})?(?!\d)")
_ISO: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?: ?(?:Z\b|UTC\b|[+-]\d\d:?\d\d\b))?"
)
# The time with which a line of a log begins is when it was written.
_LOG_TIME: Final = re.compile(r"^[\s\W]*(?:time=|ts=|date:)?[\s\W]*$", re.IGNORECASE)
_HTTP_DATE: Final = re.compile(
    r"(?:after|reset\w*|until|again)\W{1,4}([A-Z][a-z]{2}, \d\d? [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT)",
    re.IGNORECASE,
)
_AT: Final = (
    r"(?:at|on|by|after|um|am|em|el|le|il|op|à|a las|a la|às|alle|om|o|в|kl\.?|kello|klo|pukul|lúc|saat)"
)
_BEFORE: Final = (
    r"(?:resets?|again|until|renews?|available|back|zurück\w*|erneut|wieder|bis|nouveau|réessa\w+|réinitialis\w+|"
    r"restable\w+|reinici\w+|nuevo|int[ée]nt\w+|hasta|redefinid[oa]|novamente|renova\w*|até|ripristin\w+|"
    r"reimposta\w*|nuovo|riprova\w*|opnieuw|gereset|ponownie|zresetowan\w*|odnowi\w*|сброшен\w*|сбросится|снова|"
    r"повторите|återställs|nulstilles|tilbakestilles|igen|sıfırlan\w*|tekrar|obnov\w*|"
    r"重置|恢复|恢復|リセット|再開|재설정|초기화)"
)
_ZONE: Final = (
    r"(?:\s*\((?P<zone>[\w/+:-]+)\)|\s+(?P<bare_zone>[a-z]+/[\w/+-]+"
    r"|(?-i:[A-Z]{2,4}(?:[+-]\d{1,2}(?::?\d\d)?)?)(?![a-z])))?"
)
_DAYNAME: Final = r"(?:(?P<weekday>mon|tue|wed|thu|fri|sat|sun)[a-z]*,?(?: at)?\s+)?"
_MONTH_DAY: Final = (
    r"(?:(?P<month>[A-Za-z]{3,9})\.? (?P<day>\d{1,2})(?:st|nd|rd|th)?,?(?: (?P<year>\d{4}),?)?(?: at)?\s+"
    r"|(?P<day2>\d{1,2})\.?\s+(?:de\s+)?(?P<month2>[^\W\d]{3,9})\.?(?:\s+(?:de\s+)?(?P<year2>\d{4}))?"
    r"(?:\s*г\.)?,?(?:\s+" + _AT + r")?\s+)?"
)
_CLOCK: Final = re.compile(
    rf"(?:{_BEFORE}\W*(?:\b{_AT}\b)?|\b(?:um|à|a las|às|alle|om|o godz\w*|в|kl\.?|klo)\b)\s*{_DAYNAME}{_MONTH_DAY}"
    r"(?P<hour>\d{1,2})(?:(?:[:.h]|\s?uhr\s?)(?P<minute>\d\d))?(?P<round>\s?uhr\b|\s?h\b|時(?!間)|点|點|시(?!간))?\s*"
    rf"(?P<half>[ap]\.?m\b\.?)?{_ZONE}",
    re.IGNORECASE,
)
# The languages in which the clock time stands before the word.
_CLOCK_FIRST: Final = re.compile(
    r"(?P<noon>午前|午後|上午|下午|오전|오후)?\s*(?P<hour>\d{1,2})(?:[:：](?P<minute>\d\d)|[時点點시](?:\s?(?P<minute2>\d\d?)[分분])?)"
    r"(?:\s*\((?P<zone>[\w/+-]+)\))?[^\d\n]{0,12}?(?:重置|恢复|恢復|リセット|再開|재설정|초기화|sıfırlan)",
    re.IGNORECASE,
)
# Hours from UTC of zones that have no entry of that name in the machine's list.
_OFFSETS: Final = {
    "PST": -8.0,
    "PDT": -7.0,
    "MDT": -6.0,
    "CST": -6.0,
    "CDT": -5.0,
    "EDT": -4.0,
    "BST": 1.0,
    "CEST": 2.0,
    "MSK": 3.0,
    "IST": 5.5,
    "JST": 9.0,
    "KST": 9.0,
    "AEST": 10.0,
    "AEDT": 11.0,
}
_ZONES: Final = {
    "PT": "America/Los_Angeles",
    "MT": "America/Denver",
    "CT": "America/Chicago",
    "ET": "America/New_York",
}
_FIXED: Final = re.compile(r"(?:UTC|GMT)([+-])(\d{1,2})(?::?(\d\d))?")
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# The beginnings of the months' names.
_MONTHS: Final = (
    ("jan", "jän", "ene", "gen", "янв", "sty", "oca"),
    ("feb", "fév", "fev", "фев", "lut", "şub"),
    ("mar", "mär", "maa", "mrt", "мар"),
    ("apr", "avr", "abr", "апр", "kwi", "nis"),
    ("may", "mai", "mag", "mei", "maj", "май", "мая"),
    ("jun", "juin", "giu", "июн", "cze", "haz"),
    ("jul", "juil", "lug", "июл", "lip", "tem"),
    ("aug", "aoû", "ago", "авг", "sie", "ağu"),
    ("sep", "set", "сен", "wrz", "eyl"),
    ("oct", "okt", "out", "ott", "окт", "paź", "eki"),
    ("nov", "ноя", "lis", "kas"),
    ("dec", "dez", "déc", "dic", "дек", "gru", "ara"),
)


def wait_of(text: str, *, now: datetime) -> float | None:
    """Returns the seconds to wait that a text names, at most MAX_LIMIT_S; None if it names none.

    `now` has a time zone. A clock time without a zone is one of this machine.
    """
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
    """Reads `in 3 days 4 hours`, `after 5h12m3s`, `retryDelay: 34s`, `через 3 часа`, `3小时后`."""
    found = next((match for pattern in _SPANS if (match := pattern.search(text))), None)
    if found is None:
        return None
    return sum(float(count) * _unit_s(unit) for count, unit in _SPAN.findall(found[1]))


def _unit_s(unit: str) -> float:
    return next(seconds for seconds, words in _UNITS if re.fullmatch(words, unit, re.IGNORECASE))


def _http_date_s(text: str, now: datetime) -> float | None:
    """Reads `Retry-After: Mon, 30 Nov 2026 13:00:00 GMT`; the `Date` of an answer does not count."""
    found = _HTTP_DATE.search(text)
    try:
        return None if found is None else _until_s(parsedate_to_datetime(found[1]).timestamp(), now)
    except ValueError:
        return None


def _bare_s(text: str, _now: datetime) -> float | None:
    """Reads `Retry-After: 30`, `retry-after-ms: 1500`, `"resets_in_seconds":13872`."""
    found = _BARE.search(text)
    if found is None or _EPOCH.fullmatch(found[2]):
        return None
    return float(found[2]) * (0.001 if found[1] == "ms" else 1.0)


def _epoch_s(text: str, now: datetime) -> float | None:
    """Reads `limit reached|1749924000`, `X-RateLimit-Reset: 1749924000000`."""
    found = _EPOCH.search(text)
    return None if found is None else _until_s(float(found[1]), now)


def _iso_s(text: str, now: datetime) -> float | None:
    """Reads `2026-11-30T03:00:00Z`, the latest of several; without an offset, the time is UTC."""
    times = []
    for found in _ISO.finditer(text):
        if _LOG_TIME.match(text[text.rfind("\n", 0, found.start()) + 1 : found.start()]):
            continue
        try:
            at = datetime.fromisoformat(found[0].replace(" UTC", "Z").replace(" Z", "Z"))
        except ValueError:
            continue
        times.append((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    return _until_s(max(times), now) if times else None


def _clock_s(text: str, now: datetime) -> float | None:
    """Reads `resets 3am (America/Mexico_City)`, `try again at 3:05 PM`, `resets Oct 9, 5pm`, `um 15:30 Uhr`."""
    found = _CLOCK.search(text)
    if found is None or not (found["half"] or found["minute"] or found["round"]):
        return _clock_first_s(text, now)
    here = now.astimezone(_zone(found["zone"] or found["bare_zone"], now))
    late = (found["half"] or "")[:1].lower()
    hour = int(found["hour"]) % 12 + 12 * (late == "p") if late else int(found["hour"])
    month, day = (found["month"] or found["month2"]), (found["day"] or found["day2"])
    year = found["year"] or found["year2"]
    try:
        at = here.replace(hour=hour, minute=int(found["minute"] or 0), second=0, microsecond=0)
        if month:
            at = at.replace(year=int(year or here.year), month=_month(month), day=int(day))
            if not year and at < here - HALF_YEAR:
                at = at.replace(year=at.year + 1)
    except ValueError:  # such as Feb 30
        return None
    if found["weekday"] and not month:
        at += timedelta(days=(_WEEKDAYS.index(found["weekday"].lower()) - at.weekday()) % 7)
    if not month and at < here - JUST_PASSED:
        at += timedelta(days=7 if found["weekday"] else 1)
    return _until_s(at.timestamp(), now)


def _clock_first_s(text: str, now: datetime) -> float | None:
    """Reads `15:00にリセット`, `午後3時に再開`, `오후 3시에 재설정`."""
    found = _CLOCK_FIRST.search(text)
    if found is None:
        return None
    here = now.astimezone(_zone(found["zone"], now))
    late = found["noon"] in ("午後", "下午", "오후")
    hour = int(found["hour"]) % 12 + 12 * late if found["noon"] else int(found["hour"])
    try:
        at = here.replace(
            hour=hour, minute=int(found["minute"] or found["minute2"] or 0), second=0, microsecond=0
        )
    except ValueError:
        return None
    at += timedelta(days=at < here - JUST_PASSED)
    return _until_s(at.timestamp(), now)


def _month(name: str) -> int:
    """Returns the number of the month; ValueError if no month begins so."""
    lowered = name.lower()
    for number, beginnings in enumerate(_MONTHS, start=1):
        if lowered.startswith(beginnings):
            return number
    raise ValueError(name)


def _until_s(epoch_s: float, now: datetime) -> float:
    """Returns the wait until a point in time, with room for clocks that differ; at least that room."""
    return max(0.0, epoch_s - now.timestamp()) + SLACK_S


def _zone(name: str | None, now: datetime) -> tzinfo | None:
    """Returns the named time zone; the machine's own if the name is missing or unknown."""
    if name is None:
        return None if now.tzinfo is None else now.astimezone().tzinfo
    if (hours := _OFFSETS.get(name)) is not None:
        return timezone(timedelta(hours=hours))
    if fixed := _FIXED.fullmatch(name):
        sign = -1 if fixed[1] == "-" else 1
        return timezone(sign * timedelta(hours=int(fixed[2]), minutes=int(fixed[3] or 0)))
    try:
        return ZoneInfo(_ZONES.get(name, name))
    except (ValueError, OSError, KeyError):
        return now.astimezone().tzinfo
