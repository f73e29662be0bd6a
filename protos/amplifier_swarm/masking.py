"""Masks for secrets in text that is stored, shown or sent: secrets known by value, and text that looks like one.

Invariant: rather a harmless word is masked than a key shown. Every pattern takes time in proportion to the
length of the text, since sessions choose the text.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

MASK: Final = "[secret]"
# Masking a shorter value would mask ordinary words too.
MIN_SECRET: Final = 8

_SECRETS: Final = re.compile(
    r"""
      -----BEGIN[ A-Z]*PRIVATE\ KEY-----.*?(?:-----END[ A-Z]*PRIVATE\ KEY-----|\Z)
    | \bswt1_(?:viewer|worker|operator|session)_[0-9a-f]{12}_[A-Za-z0-9_-]{20,}     # a token of a swarm
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
# In these, the text before the secret stays: it names the secret.
_AFTER: Final = re.compile(
    r"""
      (?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^/\s:@]{0,100}:)[^/\s@]{1,500}(?=@)
    | (?P<header>\b(?:Bearer|Basic)\s{1,5})[A-Za-z0-9._~+/=-]{16,}
    | (?P<setting>\b\w{0,60}(?:api_?key|token|secret|passwo?r?d)\w{0,20}["']?\s{0,3}[:=]\s{0,3}["']?)
      (?![\d.,]+(?:[\s"',;}\])]|\Z))[^\s"',;]{8,}                        # but not a count of tokens
    """,
    re.VERBOSE | re.IGNORECASE,
)


# Performance: a text without any of these has nothing for the patterns; 4,000 such characters cost 0.05 ms in place
# of 0.78 ms (docs/performance.md).
_SECRET_HINTS: Final = (
    "PRIVATE KEY-----", "swt1_", "sk-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "AKIA",
    "ASIA", "AIza", "xox", "hf_", "npm_", "pypi-", "eyJ",
)  # fmt: skip
_AFTER_HINTS: Final = ("://", "bearer", "basic", "api", "token", "secret", "passw")

_KEY_BEGINS: Final = re.compile("-----BEGIN[ A-Z]*PRIVATE KEY-----")
_KEY_ENDS: Final = re.compile("-----END[ A-Z]*PRIVATE KEY-----")


def masked(text: str) -> str:
    """Replaces everything in the text that looks like a secret."""
    if any(hint in text for hint in _SECRET_HINTS):
        text = _SECRETS.sub(MASK, text)
    # Folded, since the patterns know no case.
    folded = text.casefold()
    if any(hint in folded for hint in _AFTER_HINTS):
        text = _AFTER.sub(lambda match: f"{match[match.lastgroup or 0]}{MASK}", text)
    return text


class Mask:
    """A mask for text that looks like a secret, and for values that are known to be secret."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= MIN_SECRET}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def text(self, text: str) -> str:
        """Returns the text without secrets."""
        return masked(text if self._known is None else self._known.sub(MASK, text))

    def message(self, message: Message) -> None:
        """Masks every string of a message in place, except those in maps."""
        for field, value in message.ListFields():
            if field.type == FieldDescriptor.TYPE_STRING:
                self._field(message, field.name, value)
            for inner in _inner(field, value):
                self.message(inner)

    def _field(self, message: Message, name: str, value: Any) -> None:
        if isinstance(value, str):
            setattr(message, name, self.text(value))
        else:
            value[:] = [self.text(text) for text in value]


class LineMask:
    """A mask for text that comes line by line; it hides every line of a private key."""

    def __init__(self, mask: Mask | None = None) -> None:
        self._mask = mask or Mask()
        self._in_key = False

    def text(self, text: str) -> str:
        """Returns the next piece of text without secrets."""
        if not self._in_key:
            begun = [found.end() for found in _KEY_BEGINS.finditer(text)]
            self._in_key = bool(begun) and _KEY_ENDS.search(text, begun[-1]) is None
            return self._mask.text(text)
        end = _KEY_ENDS.search(text)
        if end is None:
            return MASK
        self._in_key = False
        return MASK + self.text(text[end.end() :])


def _inner(field: FieldDescriptor, value: Any) -> Iterator[Message]:
    """Yields the messages in a field, except in a map.

    Asking the field's type for its options would load a module, which fails without free descriptors.
    """
    if field.message_type is not None and not isinstance(value, Mapping):
        yield from [value] if isinstance(value, Message) else value
