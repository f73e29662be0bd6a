"""Sizes in bytes as people write them: `512M`, `4G`; the units are powers of 1024."""

import re
from typing import Final

_UNITS: Final = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SIZE: Final = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,9})?) *([KMGT]?)(?:i?B)?", re.IGNORECASE)


def parse_bytes(text: str) -> int | None:
    """Returns the number of bytes; None if the text is not a size."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        return None
    number, unit = found.groups()
    return (
        round(float(number) * _UNITS[unit.upper()]) if "." in number else int(number) * _UNITS[unit.upper()]
    )


def format_bytes(size: int) -> str:
    """Returns the size in its largest unit that leaves no rest, so that `parse_bytes` gives the same number."""
    for unit, factor in reversed(_UNITS.items()):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)
