"""Takes secrets out of text by how they look, before the text is stored or leaves the machine.

The rule: rather a harmless word too many than a key too few; it knows forms, not what is secret.
"""

import re
from typing import Final

MASK: Final = "[secret]"

_SECRETS: Final = re.compile(
    r"""
      -----BEGIN[ A-Z]*PRIVATE\ KEY-----.*?(?:-----END[ A-Z]*PRIVATE\ KEY-----|\Z)
    | \bswt1_(?:viewer|worker|operator)_[0-9a-f]{12}_[A-Za-z0-9_-]{20,}     # a token of a swarm
    | \bsk-[A-Za-z0-9_-]{16,}                                              # model providers
    | \bgh[pousr]_[A-Za-z0-9]{20,} | \bgithub_pat_[A-Za-z0-9_]{20,}
    | \bglpat-[A-Za-z0-9_-]{16,}
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b
    | \bAIza[A-Za-z0-9_-]{30,}
    | \bxox[abeoprs]-[A-Za-z0-9-]{10,}
    | \bhf_[A-Za-z0-9]{20,} | \bnpm_[A-Za-z0-9]{30,} | \bpypi-[A-Za-z0-9_-]{30,}
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*            # JSON web tokens
    """,
    re.VERBOSE | re.DOTALL,
)
# Of these, what stands before the secret stays: it says what was there.
_AFTER: Final = re.compile(
    r"""
      (?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^/\s:@]{0,100}:)[^/\s@]{1,500}(?=@)
    | (?P<header>\b(?:Bearer|Basic)\s{1,5})[A-Za-z0-9._~+/=-]{16,}
    | (?P<setting>\b\w{0,60}(?:api_?key|token|secret|passwo?r?d)\w{0,20}["']?\s{0,3}[:=]\s{0,3}["']?)[^\s"',;]{8,}
    """,
    re.VERBOSE | re.IGNORECASE,
)


def masked(text: str) -> str:
    """The text with a mask in the place of everything that looks like a secret."""
    return _AFTER.sub(lambda match: f"{match[match.lastgroup or 0]}{MASK}", _SECRETS.sub(MASK, text))
