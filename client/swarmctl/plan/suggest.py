"""Suggestions for fields that do not exist."""

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


def similar_word(key: str, known: Sequence[str]) -> str | None:
    """Returns the known word that is similar to `key`; None if there is none."""
    plain = key.lower().replace("-", "_").strip()
    if _SYNONYMS.get(plain) in known:
        return _SYNONYMS[plain]
    for word in known:
        if len(plain) >= _SHORTEST_BEGINNING and word.startswith(plain):
            return word
    return next(iter(get_close_matches(plain, known, n=1, cutoff=_CLOSE)), None)
