"""Words of enums."""

from enum import StrEnum
from typing import Self


class Word(StrEnum):
    """A word of an enum of the contract. `UNSPECIFIED` is the empty text, and so is false.

    A word that a newer server uses and this version does not know is its number as text.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_ = unknown._value_ = value
        return unknown
