"""Fingerprints of certificates, as people copy them: `sha256:` and 64 hexadecimal digits, with or without colons."""

import re
from typing import Final

PREFIX: Final = "sha256:"
_DIGITS: Final = re.compile(r"[0-9a-f]{64}")


def fingerprint(text: str) -> str:
    """Parses a fingerprint; returns it in lower case, without colons between its digits.

    Raises:
        ValueError: The text is not a fingerprint.
    """
    lowered = text.strip().lower()
    digits = lowered.removeprefix(PREFIX).replace(":", "")
    if not lowered.startswith(PREFIX) or not _DIGITS.fullmatch(digits):
        raise ValueError("expected sha256: and 64 hexadecimal digits, as swarmd prints it")
    return PREFIX + digits
