"""A provider's usage limit as an agent reports it: the line, the time until it resets, and what to do about it.

`limit_words` has the words, `limit_times` the times, `limit_lines` the lines that are read.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from amplifier_swarm.text import one_line
from swarm_worker.runners.limit_lines import is_assertion, is_message
from swarm_worker.runners.limit_times import MAX_LIMIT_S, wait_of
from swarm_worker.runners.limit_words import denial_remedy, is_conditional, is_elsewhere, reports_limit

# The exit code with which a program says that its provider asks to wait: EX_TEMPFAIL of sysexits.h.
LIMITED_EXIT: Final = 75
LINE_CHARS: Final = 300
# The body of an answer may be long; its error stands in front.
READ_CHARS: Final = 16_000
LIMITED_METHOD: Final = "provider/limited"
# A larger number is not a wait in seconds.
MAX_REPORTED_S: Final = 1e9


class UsageLimit(NamedTuple):
    """A provider's refusal: the agent's line, the wait in seconds if it is known, and a remedy if waiting is none."""

    line: str
    wait_s: float | None = None
    remedy: str = ""


def find_limit(lines: Sequence[str], *, now: datetime) -> UsageLimit | None:
    """Returns the limit that the lines report, the last one first; `now` has a time zone."""
    for text in (line[:READ_CHARS] for line in reversed(lines)):
        line = one_line(text, LINE_CHARS)
        denied = denial_remedy(text)
        if not (denied or reports_limit(text)) or _only_quotes(text):
            continue
        wait_s = wait_of("\n".join(line[:READ_CHARS] for line in lines), now=now)
        return (
            UsageLimit(line, wait_s) if not denied or wait_s is not None else UsageLimit(line, None, denied)
        )
    return None


def is_limit_message(line: str) -> bool:
    """Returns whether the whole line is a provider's message of a limit, rather than a text about limits."""
    return not _only_quotes(line) and is_message(line)


def _only_quotes(text: str) -> bool:
    """Returns whether a test, code, another service or a condition has the words of a limit."""
    return is_assertion(text) or is_elsewhere(text) or is_conditional(text)


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
