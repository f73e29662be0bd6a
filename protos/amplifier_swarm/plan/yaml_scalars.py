"""Texts as YAML, each in one fixed form.

Invariant: a written text reads back as the same text, in every YAML reader of every version. PyYAML's own
dumper is not used here: its choice of form depends on its version and on libyaml.
"""

import re
from typing import Final

from amplifier_swarm.plan.scalars import Kind, kind_of_plain

# The characters that need no escape and break no line.
_SHOWN: Final = r"\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff"
_HIDDEN: Final = re.compile(rf'[^{_SHOWN}]|["\\]')
_BLOCK: Final = re.compile(rf"[\t\n{_SHOWN}]*")
# A plain text begins with a letter or a harmless sign: some readers take a text with a leading digit for a number.
_PLAIN: Final = re.compile(rf"[A-Za-z_/(\xa1-\u2027\u202a-\ud7ff][{_SHOWN}]*")
# A comment, a key, or a trailing space that an editor removes.
_NOT_PLAIN: Final = re.compile(r" #|: |:$| $|^---|^\.\.\.")
# The words of YAML 1.2 are among those of YAML 1.1.
_WORDS: Final = frozenset({"true", "false", "null", "y", "n", "yes", "no", "on", "off"})

_ESCAPES: Final = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def double_quoted(text: str) -> str:
    """Returns the text in double quotes, on one line."""
    return f'"{_HIDDEN.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def yaml_value(text: str, indent: str) -> str:
    """Returns the text as a value; its further lines begin with `indent`."""
    if "\n" in text and _fits_a_block(text):
        return _block(text, indent)
    return text if _is_plain(text) else double_quoted(text)


def yaml_key(text: str) -> str:
    """Returns the text as a key."""
    return (
        text if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", text) and _is_plain(text) else double_quoted(text)
    )


def _is_plain(text: str) -> bool:
    return (
        _PLAIN.fullmatch(text) is not None
        and _NOT_PLAIN.search(text) is None
        and text.lower() not in _WORDS
        and kind_of_plain(text) is Kind.TEXT
    )


def _fits_a_block(text: str) -> bool:
    # A block that begins with a space needs an indentation indicator, which few people can read.
    return text[0] not in " \t\n" and _BLOCK.fullmatch(text) is not None


def _block(text: str, indent: str) -> str:
    kept = text.rstrip("\n")
    ends = len(text) - len(kept)
    sign = ("|-", "|", "|+")[min(ends, 2)]
    lines = [indent + line if line else "" for line in kept.split("\n")]
    return "\n".join([sign, *lines, *[""] * (ends - 1)])
