"""Guesses which field was meant by one that does not exist."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

# Below this, words are taken for others that only share letters, such as `title` for `files`.
_CLOSE: Final = 0.75
# The beginning of a word, such as `depend`, is no other word; one shorter than this may be.
_SHORTEST_BEGINNING: Final = 4
# What other tools call it. Ignoring one of these would run tasks in the wrong order.
_SYNONYMS: Final = {
    "depends_on": "dependencies",
    "deps": "dependencies",
    "requires": "dependencies",
    "needs": "dependencies",
    "blocked_by": "dependencies",
}


def known_like(key: str, known: Sequence[str]) -> str | None:
    """The known word that looks like this one, None if none does."""
    plain = key.lower().replace("-", "_").strip()
    if _SYNONYMS.get(plain) in known:
        return _SYNONYMS[plain]
    for word in known:
        if len(plain) >= _SHORTEST_BEGINNING and word.startswith(plain):
            return word
    return next(iter(get_close_matches(plain, known, n=1, cutoff=_CLOSE)), None)
