"""The words of task files that stand for numbers."""

from collections.abc import Mapping
from typing import Final

PRIORITIES: Final[Mapping[str, int]] = {"critical": 4, "high": 3, "medium": 2, "low": 1}
LOWEST_PRIORITY: Final = -1000
HIGHEST_PRIORITY: Final = 1000
_PRIORITY_WORDS: Final = {number: word for word, number in PRIORITIES.items()}


def priority_word(priority: int) -> str | int:
    """The word of a priority, or the number itself where there is no word."""
    return _PRIORITY_WORDS.get(priority, priority)
