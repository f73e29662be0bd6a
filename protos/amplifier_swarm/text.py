"""Text from sessions, files and models, made harmless for terminals and logs.

Invariant: such text is hostile until it went through here.
"""

import re

from amplifier_swarm.light_imports import unicode_category

# Text that is not printable ASCII is examined character by character.
_UNUSUAL = re.compile(r"[^\x20-\x7e]+")
# Control sequences with numbers for parameters: colours, cursor moves, erasing.
_DRAWING = re.compile(r"\x1b\[[0-9;]{0,40}[A-HJKSTfm]")
# Categories that draw nothing, and may steer a terminal or reorder the text beside them.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str, *, newlines: bool = False) -> str:
    """Escapes the characters that a terminal obeys instead of showing: control, bidi and zero-width characters.

    Tabs stay. Newlines stay only if `newlines` is set, so that one value can't forge a second line.
    """
    if text.isascii() and text.isprintable():
        return text
    return _UNUSUAL.sub(lambda run: "".join(_escaped(char, newlines=newlines) for char in run[0]), text)


def strip_terminal_drawing(text: str) -> str:
    """Removes the control sequences that only draw, such as colours and cursor moves; the rest is escaped.

    A sequence that does more than draw stays visible, as escaped text.
    """
    if text.isascii() and text.isprintable():
        return text
    drawn = _DRAWING.sub("", text)
    return printable(drawn.replace("\r\n", "\n").replace("\r", "\n"), newlines=True)


def _escaped(char: str, *, newlines: bool) -> str:
    if char == "\t" or (char == "\n" and newlines):
        return char
    if unicode_category(char) not in _HIDDEN:
        return char
    return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"


def is_utf8(text: str) -> bool:
    """Returns False for text from bytes that are not UTF-8: Python decodes them to lone surrogates."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def one_line(text: str, limit: int) -> str:
    """Returns the text on one harmless line of at most `limit` characters; an ellipsis marks a cut."""
    flat = printable(" ".join(text.split()))
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
