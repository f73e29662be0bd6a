"""Suggestions for fields that do not exist."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

# A lower cutoff matches words that only share letters, such as `title` and `files`.
_CLOSE: Final = 0.75
# A prefix such as `depend` means the whole word; a shorter prefix may be another word.
_SHORTEST_BEGINNING: Final = 4
# The names in other tools. Ignoring one of these would run tasks in the wrong order.
_SYNONYMS: Final = {
    "depends_on": "dependencies",
    "deps": "dependencies",
    "requires": "dependencies",
    "needs": "dependencies",
    "blocked_by": "dependencies",
}
# Statuses as other tools call them.
_STATUS_SYNONYMS: Final = {
    "running": "in_progress",
    "active": "in_progress",
    "started": "in_progress",
    "pending": "not_started",
    "ready": "not_started",
    "todo": "not_started",
    "waiting": "blocked",
    "done": "completed",
    "finished": "completed",
    "succeeded": "completed",
    "error": "failed",
    "cancelled": "killed",
    "canceled": "killed",
}


def similar_choice(given: str, choices: str) -> str | None:
    """Returns the choice that is meant by a word; None if none is similar. The choices are quoted in one text."""
    known = re.findall(r"'([^']*)'", choices)
    meant = _STATUS_SYNONYMS.get(given.lower())
    return meant if meant in known else similar_word(given, known)


def similar_word(key: str, known: Sequence[str]) -> str | None:
    """Returns the known word that is similar to `key`; None if there is none."""
    plain = key.lower().replace("-", "_").strip()
    if _SYNONYMS.get(plain) in known:
        return _SYNONYMS[plain]
    for word in known:
        if len(plain) >= _SHORTEST_BEGINNING and word.startswith(plain):
            return word
    return next(iter(get_close_matches(plain, known, n=1, cutoff=_CLOSE)), None)
