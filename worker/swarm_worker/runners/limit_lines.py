"""The lines around a provider's usage limit: which line is the whole message, and which lines only follow it.

Invariant: with exit code 0 only a line that begins as a provider's message counts; a sentence about limits does not.
"""

import json
import re
from typing import Final

# The words of a message stand in its first characters.
HEAD_CHARS: Final = 1_000
# Words that stand before the phrase of a limit; prose about a task has verbs there.
_SUBJECT: Final = (
    r"(?:(?:claude|ai|codex|gemini|gpt|copilot|cursor|opus|sonnet|haiku|openai|anthropic|the|this|selected|your?|sorry|"
    r"you['’]?(?:ve|re)|have|has|been|are|not|logged|in|api|error|http|status|code|monthly|weekly|daily|hourly|extra|"
    r"max|spend|ratelimit|oauth|token|revoked|"
    r"\d+-hour|\d{3})\b[\s\W]*)*"
)
_LABEL: Final = re.compile(
    r"\W*(?:failed to authenticate\W+)?(?:\S*\d\d:\d\d\S*\s+)?"
    r"\W*(?:(?:api|stream|http|request|server|provider|fatal|unexpected)\s+)?[\w.]*"
    r"(?:error|exception)\W*:",
    re.IGNORECASE,
)
_REST: Final = (
    r"(?=\s*(?:$|[^\w\s'\"’`]|(?:for|on|in|at|after|resets?|try|retry|please|before|errors?|to access)\b))"
)
# A claim of work done.
_CLAIM: Final = re.compile(
    r"\b(?:(?<!upgrade )now|tests?|pass(?:es|ed)?|fixed|added|implemented|handled|done|is sent)\b",
    re.IGNORECASE,
)
_ASSERTION: Final = re.compile(
    r"\bAssert(?:ion)?Error\b|^\W*(?:FAILED|PASSED|ERROR) \S+::|^E\s{2,}|^\W*--- FAIL|\bassert \S+ (?:==|in)\b"
)
# Stack frames, properties and brackets of an error that was printed as an object, and the totals of a session.
_FOLLOWS: Final = re.compile(
    r"at \S.*[:(]\S*\d+\)?|at (?:async )?[\w.<>$ ]+ ?\(.*\)|File \".*\", line \d+.*|\^+|[\W_]+|[\d.,]+"
    r"|[\"']?[\w-]+[\"']?: ?(?:\"[^\"]*\"|'[^']*'|-?[\d.]+|true|false|null|undefined|[\[{(].*)?,?"
    r"|(?:total )?(?:tokens|cost|session|duration)(?: (?:used|id))?\b[: ]*(?:\S+)?"
    r"|(?:(?:please )?(?:try again|retry|wait|visit|upgrade)|(?:(?:it|your limit) )?(?:will )?resets?|https?)\b.*"
    r"|\(node:\d+\) .*|\(Use `node --trace.*",
    re.IGNORECASE,
)


def is_assertion(line: str) -> bool:
    """Returns whether the line is a test's failure, which can quote any text."""
    return _ASSERTION.search(line) is not None


def only_follows(line: str) -> bool:
    """Returns whether the line belongs to an earlier error or to the session's totals, and so says nothing itself."""
    return len(line) <= HEAD_CHARS and _FOLLOWS.fullmatch(line.strip()) is not None


def is_message(line: str, limits: re.Pattern[str]) -> bool:
    """Returns whether the whole line is a message of a limit; `limits` finds the words of one."""
    if (error := _json_error(line)) is not None:
        return error and limits.search(line) is not None
    line = line[:HEAD_CHARS]
    if limits.search(line) is None or _CLAIM.search(line):
        return False
    if _LABEL.match(line):
        return True
    return re.match(rf"\W*{_SUBJECT}(?:{limits.pattern}){_REST}", line, re.IGNORECASE) is not None


def _json_error(line: str) -> bool | None:
    """Returns whether the line is a JSON object that reports an error; None if the line is none."""
    if not line.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    return value.get("is_error") is True or bool(value.get("error")) or value.get("type") == "error"
